"""Where a task counts as cancelled, a limit of anyio and a group that fails looked like its caller.

A task does so on CPython 3.11 and 3.12 once a TaskGroup has failed inside without harm, and on any
after it has swallowed a cancellation. Timeouts of httpx, which has its limits from anyio, moved no
breaker then and were never tried again.
"""

import asyncio
from contextlib import suppress

import anyio
import httpx
import pytest

from koo.errors import CircuitOpen
from koo.resilience import BreakerConfig, CircuitBreaker, Failure, Policy

from ...resilience.policy.actors import QUICK, policy, started

PARTS = pytest.mark.parametrize("parts", [{}, {"timeout": 60}, {"attempt_timeout": 50}])


@pytest.fixture
def gate():
    return CircuitBreaker("dep", BreakerConfig(failure_threshold=3))


def classify(error):
    """Whatever is raised is the dependency's failure."""
    return Failure(retryable=True, trips=True, cause=type(error).__name__)


async def fail(error=ConnectionError):
    raise error


async def optional():
    """Something that fails without harm, and leaves its task counted as cancelled on some."""
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail(ValueError))
    except* ValueError:
        pass


async def counted_as_cancelled(work):
    """The end of *work* in a task that has swallowed a cancellation."""

    async def worker():
        try:
            await asyncio.sleep(9)
        except asyncio.CancelledError:
            await work

    task = await started(worker())
    task.cancel()
    with suppress(asyncio.CancelledError):  # a group that fails there has it cancelled once more
        await task


async def limited():
    with anyio.fail_after(0.1):
        await asyncio.sleep(9)


class Silent(asyncio.Protocol):
    """A server that never answers."""


async def asked_by_httpx():
    server = await asyncio.get_running_loop().create_server(Silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        async with httpx.AsyncClient(timeout=0.05, trust_env=False) as client:
            await client.get(f"http://127.0.0.1:{port}/")
    finally:
        server.close()


async def failed_in_a_group():
    async with asyncio.TaskGroup() as group:
        group.create_task(fail())
        await asyncio.sleep(9)


async def failed_in_a_group_of_anyio():
    async with anyio.create_task_group() as group:
        group.start_soon(fail)
        await asyncio.sleep(9)


async def failed_in_a_group_inside_of_one():
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(9))
        await failed_in_a_group()


async def renamed():
    try:
        await failed_in_a_group()
    except* ConnectionError as group:
        raise OSError("the driver's") from group


OPERATIONS = [
    *(limited, failed_in_a_group, failed_in_a_group_of_anyio, failed_in_a_group_inside_of_one),
    renamed,
]


async def _trips(through, operation):
    outcome = await through.outcome(operation)
    assert outcome.attempts == 3
    assert isinstance((await through.outcome(operation)).error, CircuitOpen)
    stats = through.stats()
    assert (stats.failures_total, stats.retries_total, stats.abandoned_total) == (1, 2, 0)


@PARTS
@pytest.mark.parametrize("operation", OPERATIONS)
async def test_a_failure_after_a_group_that_failed_without_harm_is_a_failure(
    gate, operation, parts
):
    async def visit():
        await optional()
        await operation()

    through = policy(gates=[gate], classify=classify, retry=QUICK, **parts)
    await _trips(through, visit)


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_a_failure_in_a_task_that_was_cancelled_before_is_a_failure(gate, operation):
    await counted_as_cancelled(policy(gates=[gate], classify=classify).outcome(operation))
    assert gate.stats().failures == 1


async def cleans_up():
    try:
        await asyncio.sleep(9)
    finally:
        raise ConnectionError("in the cleanup")


async def cleans_up_in_a_group():
    async with asyncio.TaskGroup() as group:
        group.create_task(cleans_up())
        await asyncio.sleep(9)


async def cleans_up_in_a_group_and_renames_it():
    try:
        await cleans_up_in_a_group()
    except* ConnectionError as group:
        raise OSError("the driver's") from group


async def cleans_up_in_a_group_and_unwraps_it():
    try:
        await cleans_up_in_a_group()
    except ExceptionGroup as group:
        raise group.exceptions[0] from None


async def cleans_up_in_a_group_of_its_own_making():
    try:
        await asyncio.sleep(9)
    except asyncio.CancelledError:
        raise ExceptionGroup("in the cleanup", [ConnectionError()])  # noqa: B904


async def cleans_up_by_a_group():
    try:
        await asyncio.sleep(9)
    except asyncio.CancelledError:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())


class Lent:
    """Something that a group tidies up when it is given back."""

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())


async def gives_back_by_a_group():
    async with Lent():
        await asyncio.sleep(9)


@PARTS
@pytest.mark.parametrize(
    "operation",
    [
        *(cleans_up_by_a_group, gives_back_by_a_group),
        *(cleans_up_in_a_group, cleans_up_in_a_group_and_renames_it),
        *(cleans_up_in_a_group_and_unwraps_it, cleans_up_in_a_group_of_its_own_making),
    ],
)
async def test_what_a_group_makes_of_its_caller_leaving_is_still_nobodys(gate, operation, parts):
    through = policy(gates=[gate], classify=classify, retry=QUICK, **parts)
    task = await started(through.run(operation))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises((OSError, ExceptionGroup)):
        await task
    stats = through.stats()
    assert (stats.abandoned_total, stats.retries_total, gate.stats().outcomes) == (1, 0, 0)


async def test_what_a_block_raises_that_was_left_is_still_nobodys(gate):
    async def block():
        async with policy(gates=[gate], classify=classify).permit():
            try:
                await asyncio.sleep(9)
            except asyncio.CancelledError:
                raise ExceptionGroup("in the cleanup", [ConnectionError()]) from None

    task = await started(block())
    task.cancel()
    with pytest.raises(ExceptionGroup):
        await task
    assert gate.stats().outcomes == 0


async def test_a_limit_of_anyio_further_out_is_the_callers(gate):
    through = policy(gates=[gate], classify=classify, retry=QUICK)
    with pytest.raises(TimeoutError), anyio.fail_after(1):
        await through.run(lambda: asyncio.sleep(9))
    assert (through.stats().abandoned_total, gate.stats().outcomes) == (1, 0)


@pytest.mark.integration
@PARTS
async def test_a_timeout_of_httpx_is_a_failure(gate, parts):
    async def visit():
        await optional()
        await asked_by_httpx()

    through = Policy("dep", gates=[gate], classify=classify, **parts)
    for _ in range(3):
        with pytest.raises(httpx.TimeoutException):
            await through.run(visit)
    assert gate.stats().failures == 3
