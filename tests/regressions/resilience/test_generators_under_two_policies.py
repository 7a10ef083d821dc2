"""A second policy around a decorated async generator took it for a function that blocks."""

from contextlib import asynccontextmanager, contextmanager
from functools import partial

import pytest

from koo.resilience import ONE_REQUEST, Backoff, Policy, RetryConfig
from koo.testing import running_clock

RETRY = RetryConfig(max_retries=2, backoff=Backoff(base_delay=1, max_delay=2))


def policy(name, **parts):
    return Policy(name, clock=running_clock(), **parts)


async def items(*words):
    for word in words:
        yield word


async def collected(stream):
    return [item async for item in stream]


async def test_two_policies_nest_around_a_generator_as_around_a_function():
    outer, inner = policy("outer"), policy("inner")
    assert await collected(outer(inner(items))("a", "b")) == ["a", "b"]
    assert (outer.stats().successes_total, inner.stats().successes_total) == (1, 1)


async def test_three_layers_of_three_attempts_begin_a_dead_stream_three_times():
    calls = []

    async def dead():
        calls.append(1)
        raise ConnectionResetError
        yield

    through = dead
    for name in "cba":
        through = policy(name, retry=RETRY)(through)
    with pytest.raises(ConnectionResetError):
        await collected(through())
    assert len(calls) == 3


async def test_what_asks_for_more_nests_as_well():
    outer, inner = policy("outer"), policy("inner")
    nested = outer.asking(ONE_REQUEST, timeout=9)(inner.asking(ONE_REQUEST)(items))
    assert await collected(nested("a")) == ["a"]
    assert nested.__name__ == "items"


async def test_a_method_that_is_a_generator_nests():
    inner, outer = policy("inner"), policy("outer")

    class Service:
        @outer
        @inner
        async def words(self):
            yield self

    service = Service()
    assert await collected(service.words()) == [service]
    assert await collected(policy("third")(service.words)()) == [service]


async def test_a_generator_with_some_of_its_arguments_nests():
    nested = policy("outer")(partial(policy("inner")(items), "a"))
    assert await collected(nested("b")) == ["a", "b"]


@pytest.mark.parametrize("wrapper", [asynccontextmanager, contextmanager])
async def test_what_somebody_makes_of_a_generator_is_not_one(wrapper):
    """It bears the generator's marks, because it was made to look like it."""
    with pytest.raises(TypeError, match="is not async; decorate an async function"):
        policy("outer")(wrapper(policy("inner")(items)))


async def test_a_function_with_some_of_its_arguments_is_not_taken_for_a_generator():
    async def double(number):
        return 2 * number

    assert await policy("dep")(partial(double, 2))() == 4
    with pytest.raises(TypeError, match="is not async; decorate an async function"):
        policy("dep")(partial(len, "ab"))
