"""A loop had given up on failures it was told of; the layers around it tried all of it again."""

import pytest

from koo.errors import KooError
from koo.resilience import Backoff, Failure, Policy, RetryConfig
from koo.testing import running_clock

RETRY = RetryConfig(max_retries=2, backoff=Backoff(base_delay=1, max_delay=2))
BUSY = Failure(retryable=True, trips=True, cause="503")


def policy(name, retry=RETRY):
    return Policy(name, clock=running_clock(), retry=retry, retry_budget=None)


class Backend:
    """Always busy; it says so and raises nothing."""

    def __init__(self):
        self.calls = 0

    async def told(self, through):
        async for attempt in through:
            async with attempt:
                self.calls += 1
                attempt.settle(BUSY)

    async def told_in_a_block(self, through):
        async with through.permit() as attempt:
            self.calls += 1
            attempt.settle(BUSY)


def then_raising(work):
    async def operation():
        await work()
        raise ConnectionError("busy, each time")

    return operation


async def test_three_layers_of_three_attempts_call_a_busy_backend_three_times():
    backend, a, b, c = Backend(), policy("a"), policy("b"), policy("c")
    with pytest.raises(ConnectionError):
        await a.run(lambda: b.run(then_raising(lambda: backend.told(c))))
    assert backend.calls == 3
    assert (a.stats().retries_total, b.stats().retries_total) == (0, 0)


async def test_a_layer_in_between_without_retry_passes_it_on():
    backend, a, b, c = Backend(), policy("a"), policy("b", None), policy("c")
    with pytest.raises(ConnectionError):
        await a.run(lambda: b.run(then_raising(lambda: backend.told(c))))
    assert backend.calls == 3


async def test_loops_in_loops_that_raise_nothing_at_all_are_tried_three_times():
    backend, outer, inner = Backend(), policy("outer"), policy("inner")
    async for attempt in outer:
        async with attempt:
            await backend.told(inner)
            attempt.settle(BUSY)
    assert backend.calls == 3


async def test_a_block_of_a_policy_that_retries_has_given_up_as_well():
    backend, outer, inner = Backend(), policy("outer"), policy("inner")
    with pytest.raises(ConnectionError):
        await outer.run(then_raising(lambda: backend.told_in_a_block(inner)))
    assert backend.calls == 1


async def test_a_loop_without_retry_leaves_it_to_the_outer():
    backend, outer, inner = Backend(), policy("outer"), policy("inner", None)
    with pytest.raises(ConnectionError):
        await outer.run(then_raising(lambda: backend.told(inner)))
    assert backend.calls == 3


async def test_what_another_policy_passes_on_is_judged_for_itself():
    backend, outer, loop, other = Backend(), policy("outer"), policy("loop"), policy("other", None)

    async def refused():
        raise ConnectionRefusedError

    async def with_a_fallback():
        await backend.told(loop)
        await other.run(refused)

    with pytest.raises(ConnectionRefusedError):
        await outer.run(with_a_fallback)
    assert backend.calls == 9


async def test_the_next_attempt_of_the_outer_is_not_the_one_in_which_somebody_gave_up():
    backend, outer, loop, other = Backend(), policy("outer"), policy("loop"), policy("other", None)
    attempts = []

    async def refused():
        raise ConnectionRefusedError

    async def work():
        attempts.append(1)
        if len(attempts) == 1:
            await backend.told(loop)
            await other.run(refused)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await outer.run(work)
    assert len(attempts) == 3


async def test_an_error_that_is_kept_and_was_judged_for_another_call_is_marked_anew():
    kept = ConnectionError("kept")

    async def raises_it():
        raise kept

    async def deals_with_it():
        with pytest.raises(ConnectionError):
            await policy("inside", None).run(raises_it)

    await policy("before", None).run(deals_with_it)
    backend, outer, loop = Backend(), policy("outer"), policy("loop")

    async def work():
        await backend.told(loop)
        raise kept

    with pytest.raises(ConnectionError):
        await outer.run(work)
    assert backend.calls == 3


async def test_outside_of_every_policy_nobody_is_told():
    backend = Backend()
    await backend.told(policy("only"))
    with pytest.raises(KooError):
        await policy("next").run(_broken)
    assert backend.calls == 3


async def _broken():
    raise KooError


async def test_a_loop_of_one_attempt_has_given_up_as_well():
    backend, outer = Backend(), policy("outer")
    inner = policy("inner", RetryConfig(max_retries=0))
    with pytest.raises(ConnectionError):
        await outer.run(then_raising(lambda: backend.told(inner)))
    assert backend.calls == 1


async def test_a_loop_that_has_succeeded_in_the_end_has_not_given_up():
    outer, inner, calls = policy("outer"), policy("inner"), []

    async def work():
        async for attempt in inner:
            async with attempt:
                calls.append(1)
                if len(calls) == 1:
                    attempt.settle(BUSY)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await outer.run(work)
    assert len(calls) == 4
