"""Policies inside policies: one layer retries, time and numbers are inherited."""

import asyncio
import contextlib

import pytest

from koo.errors import CircuitOpen
from koo.resilience import Deadline, Failure, current_attempt, current_deadline

from .actors import QUICK, Dependency, policy


def retry_all(_):
    return Failure(retryable=True, trips=True)


def nested(*layers, dependency):
    """*dependency* behind *layers*, outermost first."""
    operation = dependency
    for layer in reversed(layers):
        operation = _through(layer, operation)
    return operation


def _through(layer, operation):
    async def through():
        return await layer.run(operation)

    return through


async def test_three_layers_of_three_attempts_call_a_dead_backend_three_times():
    dependency = Dependency(OSError("dead"))
    layers = [policy(name, retry=QUICK) for name in ("a", "b", "c")]
    with pytest.raises(OSError, match="dead") as caught:
        await nested(*layers, dependency=dependency)()
    assert len(dependency.calls) == 3
    assert caught.value.__notes__ == ["c: gave up after 3 attempts"]


async def test_a_layer_without_retry_lets_the_mark_through():
    dependency = Dependency(OSError("dead"))
    layers = [policy("a", retry=QUICK), policy("b"), policy("c", retry=QUICK)]
    with pytest.raises(OSError, match="dead"):
        await nested(*layers, dependency=dependency)()
    assert len(dependency.calls) == 3


async def test_an_inner_layer_without_retry_leaves_it_to_the_outer():
    dependency = Dependency(OSError("dead"))
    layers = [policy("a", retry=QUICK), policy("b")]
    with pytest.raises(OSError, match="dead"):
        await nested(*layers, dependency=dependency)()
    assert len(dependency.calls) == 3


async def test_an_error_that_was_given_up_on_is_known_in_another_coat():
    """A service wraps what its database gave up on; that does not make it worth nine calls."""
    dependency = Dependency(OSError("dead"))
    inner = policy("inner", retry=QUICK)

    async def service(coats=6):
        try:
            await (service(coats - 1) if coats else inner.run(dependency))
        except (OSError, RuntimeError) as error:
            raise RuntimeError("the service's own words") from error

    with pytest.raises(RuntimeError):
        await policy("outer", retry=QUICK, classify=retry_all).run(service)
    assert len(dependency.calls) == 3


async def test_an_error_that_was_given_up_on_is_known_in_a_group():
    dependency = Dependency(OSError("dead"))
    inner = policy("inner", retry=QUICK)

    async def service():
        async with asyncio.TaskGroup() as group:
            group.create_task(inner.run(dependency))

    with pytest.raises(ExceptionGroup):
        await policy("outer", retry=QUICK, classify=retry_all).run(service)
    assert len(dependency.calls) == 3


async def test_an_error_that_was_given_up_on_and_dealt_with_stops_no_retry():
    """The cache failed for good and was done without; the real call may be tried again."""
    cache, inner = Dependency(OSError("cache")), policy("cache", retry=QUICK)
    dependency = Dependency(OSError("dead"), "fine")

    async def service():
        with contextlib.suppress(OSError):
            await inner.run(cache)
        return await dependency()

    assert await policy("outer", retry=QUICK).run(service) == "fine"


class Shared:
    """One call at a time to *operation*, for all who ask meanwhile."""

    def __init__(self, operation):
        self.operation = operation
        self.task = None

    async def __call__(self):
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self.operation())
        return await asyncio.shield(self.task)


def dead_for_a_second(dependency):
    async def operation():
        await asyncio.sleep(1)
        return await dependency()

    return operation


async def test_who_shares_anothers_call_retries_for_itself():
    """The mark is for the call around the one that gave up: nobody can tell who else waits.

    An error that says "given up" to everybody would stop retries of calls that never met it:
    a pool tells one error to all in its line, and each of those has its own attempts left.
    """
    dependency = Dependency(OSError("dead"))
    inner = policy("inner", retry=QUICK)
    shared = Shared(_through(inner, dead_for_a_second(dependency)))
    await asyncio.gather(*(policy(name, retry=QUICK).outcome(shared) for name in "abc"))
    assert len(dependency.calls) == 9


async def test_a_call_that_is_shared_outside_of_all_policies_is_made_but_three_times():
    dependency = Dependency(OSError("dead"))
    layers = [policy("outer", retry=QUICK), policy("inner", retry=QUICK)]
    shared = Shared(nested(*layers, dependency=dead_for_a_second(dependency)))
    await asyncio.gather(*(shared() for _ in range(3)), return_exceptions=True)
    assert len(dependency.calls) == 3


async def test_a_refusal_of_an_inner_gate_is_not_retried_outside():
    inner_calls = Dependency(CircuitOpen("inner", 1.0))
    with pytest.raises(CircuitOpen):
        await policy("outer", retry=QUICK, classify=retry_all, timeout=100).run(inner_calls)
    assert len(inner_calls.calls) == 1


async def test_attempts_are_numbered_through_all_layers():
    seen = []

    async def look():
        seen.append(current_attempt())
        raise OSError

    layers = [policy("a", retry=QUICK), policy("b", retry=QUICK)]
    with pytest.raises(OSError):
        await nested(*layers, dependency=look)()
    assert seen == [1, 2, 3]
    assert current_attempt() == 0


async def test_the_number_goes_on_where_the_outer_layer_retries():
    seen = []

    async def look():
        seen.append(current_attempt())
        raise OSError

    layers = [policy("a", retry=QUICK), policy("b")]
    with pytest.raises(OSError):
        await nested(*layers, dependency=look)()
    assert seen == [1, 2, 3]


async def test_the_tighter_deadline_holds_inside():
    seen = []

    async def look():
        seen.append(current_deadline())

    await nested(policy("a", timeout=5), policy("b", timeout=60), dependency=look)()
    await nested(policy("a", timeout=60), policy("b", timeout=5), dependency=look)()
    await nested(policy("a", timeout=5), policy("b"), dependency=look)()
    assert seen == [Deadline(5)] * 3


async def test_after_an_inner_call_the_outer_deadline_holds_again():
    seen = []

    async def operation():
        await policy("inner", timeout=1).run(Dependency())
        seen.append(current_deadline())

    await policy("outer", timeout=5).run(operation)
    assert seen == [Deadline(5)]


async def test_a_task_begun_inside_inherits_what_it_began_in():
    seen = []

    async def look():
        seen.append((current_deadline(), current_attempt()))

    async def operation():
        await asyncio.create_task(look())

    await policy("outer", timeout=5).run(operation)
    assert seen == [(Deadline(5), 1)]


async def test_the_inner_timeout_ends_the_inner_call_alone():
    async def operation():
        ended = await policy("inner", timeout=1).outcome(Dependency(9.0))
        await asyncio.sleep(2)
        return ended.error

    error = await policy("outer", timeout=5).run(operation)
    assert str(error).startswith("inner: no answer after 1.00 s")
