"""What a consumer threw into a generator under a policy, the generator saw as GeneratorExit.

So ``except Exception: rollback`` was skipped, nothing could be suppressed, and what was sent
arrived as None.
"""

import asyncio
import contextlib
from contextlib import asynccontextmanager

import pytest

from koo.errors import DeadlineExceeded
from koo.resilience import CircuitBreaker, Success

from ...resilience.policy.actors import QUICK, bulkhead, policy, started


class Connection:
    """Something to enter and leave; *on_error* is what it makes of the body's error."""

    def __init__(self, on_error):
        self.on_error, self.seen = on_error, []

    async def lend(self):
        try:
            yield "connection"
        except BaseException as error:  # noqa: BLE001 - it is to see all of them
            self.seen.append(error)
            await self.on_error(error)
        else:
            self.seen.append("committed")


async def suppress(error):
    pass


async def pass_on(error):
    raise error


async def rename(error):
    raise OSError("rolled back") from error


async def break_down(error):
    raise OSError("the connection is gone")


async def hang(error):
    await asyncio.sleep(99)


def protected(connection, **parts):
    through = policy(**parts)
    return through, asynccontextmanager(through(connection.lend))


@pytest.fixture
def gate():
    return CircuitBreaker("dep")


BODYS = OSError("of the body")


@pytest.mark.parametrize("error", [BODYS, ValueError(), KeyboardInterrupt()])
async def test_the_bodys_error_is_heard_and_is_nobodys_failure(gate, error):
    connection, places = Connection(pass_on), bulkhead()
    through, lent = protected(connection, gates=[gate, places], retry=QUICK)
    with pytest.raises(type(error)) as caught:
        async with lent():
            raise error
    assert caught.value is error
    assert connection.seen == [error]
    assert gate.stats().outcomes == places.stats().in_flight == 0
    assert (through.stats().abandoned_total, through.stats().failures_total) == (1, 0)


async def test_what_is_raised_from_the_bodys_error_is_nobodys_failure(gate):
    _, lent = protected(Connection(rename), gates=[gate])
    with pytest.raises(OSError, match="rolled back"):
        async with lent():
            raise BODYS
    assert gate.stats().outcomes == 0


async def test_what_is_raised_for_another_reason_is_the_dependencys(gate):
    through, lent = protected(Connection(break_down), gates=[gate])
    with pytest.raises(OSError, match="is gone"):
        async with lent():
            raise ValueError
    assert (gate.stats().failures, through.stats().failures_total) == (1, 1)


async def test_the_bodys_error_can_be_suppressed(gate):
    through, lent = protected(Connection(suppress), gates=[gate], appraise=lambda _: Success())
    async with lent():
        raise BODYS
    assert (gate.stats().outcomes, gate.stats().failures) == (1, 0)
    assert through.stats().successes_total == 1


async def test_a_body_without_an_error_commits():
    connection = Connection(pass_on)
    async with protected(connection)[1]():
        pass
    assert connection.seen == ["committed"]


async def test_a_body_that_is_cancelled_is_heard(gate):
    async def body():
        async with lent():
            await asyncio.sleep(9)

    connection = Connection(pass_on)
    through, lent = protected(connection, gates=[gate], timeout=30)
    task = await started(body())
    await asyncio.sleep(1)
    task.cancel("gone")
    with pytest.raises(asyncio.CancelledError, match="gone"):
        await task
    assert [type(error) for error in connection.seen] == [asyncio.CancelledError]
    assert (gate.stats().outcomes, through.stats().abandoned_total) == (0, 1)


async def cancelled_in(lent):
    """What comes of a body that is cancelled."""

    async def body():
        async with lent():
            await asyncio.sleep(9)

    task = await started(body())
    await asyncio.sleep(1)
    task.cancel()
    (error,) = await asyncio.gather(task, return_exceptions=True)
    return error


async def break_down_in_a_group(error):
    async with asyncio.TaskGroup() as group:
        group.create_task(break_down(error))


async def break_down_later(error):
    await asyncio.sleep(0.1)
    raise OSError("the connection is gone") from error.__context__


@pytest.mark.parametrize("on_error", [break_down, break_down_later, rename, break_down_in_a_group])
@pytest.mark.parametrize("parts", [{}, {"timeout": 30}, {"attempt_timeout": 30}])
async def test_what_the_cleanup_makes_of_a_cancellation_is_nobodys_failure(gate, on_error, parts):
    through, lent = protected(Connection(on_error), gates=[gate], **parts)
    assert isinstance(await cancelled_in(lent), (OSError, ExceptionGroup))
    assert (gate.stats().outcomes, through.stats().abandoned_total) == (0, 1)
    assert through.stats().failures_total == 0


@pytest.mark.parametrize("parts", [{"timeout": 3}, {"attempt_timeout": 3}])
async def test_a_cleanup_that_outlives_its_time_after_a_cancellation_is_nobodys(gate, parts):
    through, lent = protected(Connection(hang), gates=[gate], **parts)
    assert isinstance(await cancelled_in(lent), asyncio.CancelledError)
    assert (gate.stats().outcomes, through.stats().abandoned_total) == (0, 1)


async def test_what_fails_after_a_cancellation_was_swallowed_is_the_dependencys(gate):
    @policy(gates=[gate])
    async def items():
        with contextlib.suppress(asyncio.CancelledError):
            yield
        await break_down(None)

    stream = items()
    await anext(stream)
    with pytest.raises(OSError, match="is gone"):
        await stream.athrow(asyncio.CancelledError())
    assert gate.stats().failures == 1


async def test_what_hangs_after_an_error_is_cut_in_time(gate):
    _, lent = protected(Connection(hang), gates=[gate], timeout=2)
    with pytest.raises(DeadlineExceeded):
        async with lent():
            raise ValueError
    assert gate.stats().failures == 1


async def test_a_stream_goes_on_after_what_it_was_sent_and_what_was_thrown():
    @policy()
    async def echo():
        heard = yield "begin"
        for _ in range(3):
            try:
                heard = yield heard
            except ValueError as error:
                heard = error

    items, thrown = echo(), ValueError()
    assert await anext(items) == "begin"
    assert await items.asend("sent") == "sent"
    assert await items.athrow(thrown) is thrown
    assert await anext(items) is None
    with pytest.raises(StopAsyncIteration):
        await anext(items)


async def test_an_error_that_was_answered_is_forgotten(gate):
    """The next one is not the consumer's, though it was raised from that."""
    thrown = ValueError()

    @policy(gates=[gate])
    async def stream():
        try:
            yield 1
        except ValueError:
            yield 2
        raise OSError("later") from thrown

    items = stream()
    await anext(items)
    assert await items.athrow(thrown) == 2
    with pytest.raises(OSError, match="later"):
        await anext(items)
    assert gate.stats().failures == 1


async def test_a_consumer_that_goes_away_is_heard_as_ever():
    connection = Connection(pass_on)
    items = policy()(connection.lend)()
    await anext(items)
    await items.aclose()
    assert [type(error) for error in connection.seen] == [GeneratorExit]
