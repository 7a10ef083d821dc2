"""Steps are followed by the tracer of the context, and cost next to nothing without one."""

import asyncio
from contextlib import contextmanager

import pytest

from koo.resilience import TRACER, trace_headers, traced


class Recording:
    def __init__(self):
        self.steps = []

    @contextmanager
    def span(self, step, component):
        self.steps.append(f"{step} {component} begins")
        try:
            yield
        finally:
            self.steps.append(f"{step} {component} ends")

    def headers(self):
        return {"traceparent": "00-of-the-test"}


class Service:
    name = "ai:lab"

    @traced("call")
    async def call(self, question, *, politely=False):
        """Ask."""
        if question is None:
            raise ValueError("no question")
        return f"{question}, {'please' if politely else 'now'}"


async def test_without_a_tracer_a_step_is_the_method_alone():
    assert await Service().call("Why", politely=True) == "Why, please"
    assert trace_headers() == {}


async def test_a_step_begins_and_ends_and_returns_what_the_method_does():
    tracer = Recording()
    TRACER.set(tracer)
    assert await Service().call("Why") == "Why, now"
    assert tracer.steps == ["call ai:lab begins", "call ai:lab ends"]
    assert trace_headers() == {"traceparent": "00-of-the-test"}


async def test_a_step_that_fails_ends_too():
    tracer = Recording()
    TRACER.set(tracer)
    with pytest.raises(ValueError, match="no question"):
        await Service().call(None)
    assert tracer.steps[-1] == "call ai:lab ends"


async def test_a_tracer_is_the_contexts_own():
    async def followed(tracer):
        TRACER.set(tracer)
        await Service().call("Why")

    first, second = Recording(), Recording()
    await asyncio.gather(followed(first), followed(second))
    assert len(first.steps) == len(second.steps) == 2
    assert TRACER.get() is None


def test_a_traced_method_keeps_its_name_and_its_words():
    assert (Service.call.__name__, Service.call.__doc__) == ("call", "Ask.")
