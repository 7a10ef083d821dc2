"""Steps are followed by the tracer of the context, and cost next to nothing without one."""

import asyncio
from contextlib import contextmanager

import pytest

from koo.resilience import TRACER, following, join_trace, trace_headers, traced


class Recording:
    def __init__(self):
        self.steps, self.errors, self.joined = [], [], []

    @contextmanager
    def span(self, step, component):
        self.steps.append(f"{step} {component} begins")
        try:
            yield
        except BaseException as error:
            self.errors.append(error)
            raise
        finally:
            self.steps.append(f"{step} {component} ends")

    def headers(self):
        return {"traceparent": "00-of-the-test"}

    def join(self, headers):
        self.joined.append(headers)


class Service:
    name = "ai:lab"

    @traced("call")
    async def call(self, question, *, politely=False):
        """Ask."""
        if question is None:
            raise ValueError("no question")
        return f"{question}, {'please' if politely else 'now'}"


def test_without_a_tracer_nothing_is_made_for_a_step():
    assert following("call", "ai:lab") is following("commit", "database")


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
    assert [str(error) for error in tracer.errors] == ["no question"]
    assert tracer.errors[0].__traceback__ is not None


async def test_a_step_tells_its_tracer_how_it_ended():
    told = []

    class Told(Recording):
        def span(self, step, component):
            class Span:
                def __enter__(self):
                    pass

                def __exit__(self, *how):
                    told.append(how)

            return Span()

    TRACER.set(Told())
    await Service().call("Why")
    with pytest.raises(ValueError, match="no question") as caught:
        await Service().call(None)
    [good, (kind, error, trace)] = told
    assert good == (None, None, None)
    assert (kind, error) == (ValueError, caught.value)
    assert trace is not None


async def test_a_trace_is_joined_with_the_headers_that_came():
    tracer, headers = Recording(), {"traceparent": "00-of-somebody"}
    join_trace(headers)
    TRACER.set(tracer)
    join_trace(headers)
    assert tracer.joined == [headers]


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
