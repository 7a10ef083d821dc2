"""What a tracer raised failed the call that it only followed."""

import pytest

from koo.resilience import LISTENER_ERRORS, TRACER, following, join_trace, trace_headers


class Broken:
    """A tracer whose spans raise at one end or the other, or want to swallow the error."""

    def __init__(self, *where):
        self.where = where

    def _raise_at(self, place):
        if place in self.where:
            raise RuntimeError(place)

    def span(self, step, component):
        self._raise_at("span")
        return self

    def __enter__(self):
        self._raise_at("enter")

    def __exit__(self, *_):
        self._raise_at("exit")
        return True

    def headers(self):
        self._raise_at("headers")
        return {"traceparent": "x"}

    def join(self, headers):
        self._raise_at("join")


def call():
    join_trace({"traceparent": "x"})
    with following("call", "lab"):
        return trace_headers()


@pytest.mark.parametrize(
    ("where", "errors"),
    [(("span",), 1), (("enter",), 1), (("exit",), 1), (("headers",), 1), (("join",), 1), ((), 0)],
)
async def test_a_call_goes_on_whatever_its_tracer_raises(where, errors):
    TRACER.set(Broken(*where))
    before = LISTENER_ERRORS.value
    assert call() == ({} if "headers" in where else {"traceparent": "x"})
    assert LISTENER_ERRORS.value - before == errors


@pytest.mark.parametrize("where", [(), ("span",), ("exit",)])
async def test_no_tracer_swallows_an_error(where):
    TRACER.set(Broken(*where))
    with pytest.raises(ZeroDivisionError), following("call", "lab"):
        raise ZeroDivisionError
