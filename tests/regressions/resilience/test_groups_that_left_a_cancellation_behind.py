"""A TaskGroup that failed inside leaves its cancellation counted (CPython 3.11 and 3.12).

Taken for the caller's, it made our own timeout a CancelledError that no breaker heard of.
"""

import asyncio
import inspect

import pytest

from koo.errors import CircuitOpen, DeadlineExceeded
from koo.resilience import BreakerConfig, CircuitBreaker, State
from koo.resilience.policy.call import GROUPS_LEAVE_A_COUNT

from ...resilience.policy.actors import QUICK, policy, started

#: The first releases of Python 3.11 don't look whether a cancellation was there before.
LIMITS_KNOW_GROUPS = "_cancelling" in inspect.getsource(asyncio.Timeout)


@pytest.fixture
def gate():
    return CircuitBreaker("dep", BreakerConfig(failure_threshold=3))


async def fail():
    raise ValueError


async def optional():
    """Something that fails without harm."""
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())
    except* ValueError:
        pass


async def hang():
    await optional()
    await asyncio.sleep(9)


async def hang_within_a_limit_of_its_own():
    if not LIMITS_KNOW_GROUPS:
        pytest.skip("asyncio.timeout of this Python takes its own end for its caller's leaving")
    await optional()
    async with asyncio.timeout(0.1):
        await asyncio.sleep(9)


async def hang_within_a_call_inside():
    await optional()
    await policy("inside", timeout=0.1).run(hang)


async def hang_and_rename_it():
    await optional()
    try:
        await asyncio.sleep(9)
    except asyncio.CancelledError as error:
        raise OSError("cut") from error


@pytest.mark.parametrize(
    "operation",
    [hang, hang_within_a_limit_of_its_own, hang_within_a_call_inside, hang_and_rename_it],
)
@pytest.mark.parametrize("parts", [{"timeout": 1}, {"timeout": 9, "attempt_timeout": 1}])
async def test_our_timeout_after_a_group_that_failed_is_ours(gate, operation, parts):
    through = policy(gates=[gate], **parts)
    for _ in range(3):
        with pytest.raises(OSError):  # DeadlineExceeded and TimeoutError are OSErrors
            await through.run(operation)
    with pytest.raises(CircuitOpen):
        await through.run(operation)
    assert through.stats().abandoned_total == 0


@pytest.mark.parametrize("operation", [hang_within_a_limit_of_its_own, hang_within_a_call_inside])
async def test_a_limit_inside_a_policy_without_one_is_a_failure(gate, operation):
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await policy(gates=[gate]).run(operation)
    assert gate.stats().state is State.OPEN


async def test_it_is_tried_again_where_nobody_can_have_cancelled_it(gate):
    through = policy(gates=[gate], attempt_timeout=1, retry=QUICK)
    with pytest.raises(DeadlineExceeded):
        await through.run(hang)
    assert gate.stats().failures == (1 if GROUPS_LEAVE_A_COUNT else 3)


async def test_blocks_and_streams_end_alike(gate):
    through = policy(gates=[gate], timeout=1)

    async def items():
        await hang()
        yield "never"

    with pytest.raises(DeadlineExceeded):
        async with through.permit():
            await hang()
    with pytest.raises(DeadlineExceeded):
        await anext(through.stream(items))
    assert gate.stats().failures == 2


async def cleans_up():
    try:
        await asyncio.sleep(9)
    finally:
        await asyncio.sleep(9)


async def holds_it_back():
    """A group that was cancelled, whose child outlives our timeout."""
    async with asyncio.TaskGroup() as group:
        group.create_task(cleans_up())


async def renames_it():
    try:
        await cleans_up()
    except asyncio.CancelledError as error:
        raise OSError("cut") from error


@pytest.mark.parametrize("operation", [cleans_up, holds_it_back, renames_it])
@pytest.mark.parametrize("gone_at", [0.5, 1.0])
async def test_a_caller_that_went_before_our_timeout_is_not_blamed_on_anybody(
    gate, operation, gone_at
):
    through = policy(gates=[gate], timeout=1)
    task = await started(through.run(operation))
    asyncio.get_running_loop().call_later(gone_at, task.cancel)
    with pytest.raises(OSError if operation is renames_it else asyncio.CancelledError):
        await task
    assert gate.stats().outcomes == 0
    assert through.stats().abandoned_total == 1


@pytest.mark.parametrize("operation", [cleans_up, holds_it_back])
@pytest.mark.parametrize("parts", [{"timeout": 1}, {"timeout": 9, "attempt_timeout": 1}])
async def test_who_has_cancelled_hears_its_own_words(operation, parts):
    task = await started(policy(**parts).run(operation))
    await asyncio.sleep(0.5)
    task.cancel("mine")
    with pytest.raises(asyncio.CancelledError, match="mine"):
        await task


async def test_a_call_that_ends_in_the_turn_in_which_its_end_is_looked_at_is_not_cut(gate):
    async def ends_in_time():
        await optional()
        await asyncio.sleep(1)
        return "fine"

    assert await policy(gates=[gate], timeout=1).run(ends_in_time) == "fine"
    assert asyncio.current_task().cancelling() <= 1
