"""Leaving a stream on MariaDB had no limit, and ended as a lost COMMIT that was never sent.

asyncmy reads what is left before it says anything else, and when a stream is closed: for ever in
the dark, and, with gigabytes left, for longer than a COMMIT may take.
Five who had left too much opened the circuit of a server that had sent all the time.
"""

import asyncio
from types import SimpleNamespace

import pytest
from sqlalchemy import exc, text
from sqlalchemy.util import greenlet_spawn

from koo.database import DatabaseConfig, StatementTimedOut
from koo.database.drivers.on_asyncmy import read_rest
from koo.database.listening.sending import Sending, _Stream
from koo.database.pool import PoolCounts, Terms
from koo.resilience import State
from koo.testing import BlackHole, FakeClock, FaultProxy

from ...database.saying import opened
from ...database.undisturbed import undisturbed

LARGE = text("SELECT a.seq, repeat('x', 20000) FROM seq_1_to_400000 a")
ENDLESS = text("SELECT a.seq, repeat('x', 2000) FROM seq_1_to_400000000 a")
LONG = text("SELECT a.seq, repeat('x', 20000) FROM seq_1_to_10000 a")
TWO = {"yield_per": 2}


async def leave(manager, statement):
    """Read one row of a stream, and leave."""
    async with manager.session_scope() as session:
        stream = await session.stream(statement, execution_options=TWO)
        await stream.fetchone()


@pytest.mark.integration
@undisturbed
async def test_a_stream_that_is_closed_in_the_dark_ends_in_time(mariadb):
    async with (
        FaultProxy("127.0.0.1", mariadb.port) as proxy,
        opened(mariadb.url(port=proxy.port), timeout=1.0, attempt_timeout=1.0) as manager,
        asyncio.timeout(20),
    ):

        async def close_in_the_dark():
            async with manager.session_scope() as session:
                stream = await session.stream(LARGE, execution_options=TWO)
                await stream.fetchone()
                proxy.black_hole = BlackHole.ALL
                await stream.close()
                await session.execute(text("SELECT 1"))

        with pytest.raises(exc.InterfaceError, match="Not connected"):
            await close_in_the_dark()
        proxy.black_hole = BlackHole.OFF


@pytest.mark.integration
@undisturbed
async def test_what_is_left_of_a_stream_may_take_as_long_as_a_statement(mariadb):
    async with opened(mariadb.url(), attempt_timeout=0.05) as manager:
        await leave(manager, LONG)
        assert manager.stats().breaker.failures == 0


@pytest.mark.integration
@undisturbed
async def test_a_commit_behind_too_long_a_stream_is_not_sent_and_nobody_is_in_doubt(mariadb):
    async with opened(mariadb.url(), timeout=0.6, attempt_timeout=0.5) as manager:
        with pytest.raises(StatementTimedOut, match=r"the rest of a stream .* nothing was commit"):
            await leave(manager, LARGE)
        assert manager.stats().pool.active == 0


@pytest.mark.integration
@undisturbed
async def test_a_server_that_sends_all_the_time_is_not_blamed_for_what_is_left(mariadb):
    async with opened(mariadb.url(), timeout=0.6, attempt_timeout=0.6) as manager:
        for _ in range(manager.config.breaker.failure_threshold + 1):
            with pytest.raises(StatementTimedOut, match="the rest of a stream"):
                await leave(manager, ENDLESS)
        stats = manager.stats()
        assert (stats.breaker.failures, stats.breaker.state) == (0, State.CLOSED)
        assert stats.failure_rate == 0.0
        assert dict(stats.errors) == {"query": manager.config.breaker.failure_threshold + 1}


@pytest.mark.integration
async def test_before_a_rollback_nobody_reads_for_long(mariadb):
    async with (
        opened(mariadb.url(), timeout=100.0, attempt_timeout=100.0, pool_size=1) as manager,
        asyncio.timeout(20),
    ):

        async def fail():
            async with manager.session_scope() as session:
                stream = await session.stream(ENDLESS, execution_options=TWO)
                await stream.fetchone()
                raise KeyError("mine")

        with pytest.raises(KeyError, match="mine"):
            await fail()
        assert (manager.stats().pool.active, manager.stats().breaker.failures) == (0, 0)


@pytest.mark.integration
async def test_who_rolls_back_in_a_stream_goes_on_with_another_connection(mariadb):
    async with (
        opened(mariadb.url(), timeout=100.0, attempt_timeout=100.0) as manager,
        asyncio.timeout(20),
    ):
        async with manager.session_scope() as session:
            stream = await session.stream(ENDLESS, execution_options=TWO)
            await stream.fetchone()
            await session.rollback()
            assert (await session.execute(text("SELECT 7"))).scalar_one() == 7
        assert (manager.stats().pool.active, manager.stats().breaker.failures) == (0, 0)


@pytest.mark.integration
async def test_who_is_cancelled_in_a_stream_does_not_wait_for_the_rest_of_it(mariadb):
    async with opened(mariadb.url(), timeout=100.0, attempt_timeout=100.0) as manager:
        has_come = asyncio.Event()

        async def read_on():
            async with manager.session_scope() as session:
                stream = await session.stream(ENDLESS, execution_options=TWO)
                await stream.fetchone()
                has_come.set()
                await asyncio.Event().wait()

        calling = asyncio.create_task(read_on())
        await has_come.wait()
        calling.cancel()
        await asyncio.wait({calling}, timeout=20)
        assert calling.cancelled()
        async with asyncio.timeout(20):
            while manager.stats().pool.active:
                await asyncio.sleep(0.01)
        assert manager.stats().breaker.failures == 0


async def test_whatever_reads_a_stream_and_its_end_are_in_time():
    timed = []

    def in_time(work, *args):
        timed.append(work.__name__)
        return work(*args)

    rows = [(1,), (2,)]

    def fetchone():
        return rows.pop() if rows else None

    def close():
        return "closed"

    stream = _Stream(SimpleNamespace(fetchone=fetchone, close=close, rowcount=2), in_time)
    assert list(stream) == [(2,), (1,)]
    assert (stream.close(), stream.rowcount) == ("closed", 2)
    assert timed == ["fetchone"] * 3 + ["close"]


class Lent:
    """What stands for a connection while it is lent."""


async def test_rows_that_nobody_wants_are_read_before_a_commit():
    said = []

    class Result:
        unbuffered_active = True

        async def _finish_unbuffered_query(self):
            said.append("the rest")
            self.unbuffered_active = False

    theirs = SimpleNamespace(_result=Result())
    lent = Lent()
    lent.record_info, lent.driver_connection = {}, theirs
    lent.dbapi_connection = SimpleNamespace(_execute_mutex=asyncio.Lock())
    dialect = SimpleNamespace(
        driver="asyncmy", do_commit=lambda _: said.append("COMMIT"), do_rollback=None
    )
    config = DatabaseConfig(url="mysql://u@h/d")
    terms = Terms(config, PoolCounts(), FakeClock(), lambda: 0.5, lambda _: None)
    sending = Sending(dialect, terms, None)
    for _ in range(2):
        await greenlet_spawn(sending.commit, lent)
    assert said == ["the rest", "COMMIT", "COMMIT"]
    theirs._result = None
    assert read_rest(lent) is None
