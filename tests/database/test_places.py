"""Connections: who holds them, who waits for them, who gives them back."""

import asyncio
import contextlib
import random

import pytest
from sqlalchemy import text

from koo import errors
from koo.database import PoolExhausted

from .items import count, insert, with_table

pytestmark = pytest.mark.integration

SLOW = {
    "postgresql": "SELECT pg_sleep(3)",
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 3000000)"
    " SELECT count(*) FROM n",
}


def _is_every_connection_accounted_for(pool):
    return pool.created_total - pool.closed_total == pool.total


async def test_an_exhausted_pool_names_who_holds_it_and_trips_nothing(url, opened):
    async with opened(url, pool_size=1, max_overflow=1, pool_timeout=1.5) as manager:

        async def hold(release):
            async with manager.session_scope() as session:
                await session.execute(text("SELECT 1"))
                await release.wait()

        release = asyncio.Event()
        held = [asyncio.create_task(hold(release), name=f"report {n}") for n in range(2)]
        while manager.stats().pool.active < 2:
            await asyncio.sleep(0.01)
        with pytest.raises(
            PoolExhausted, match=r"report 0 at .*test_places.py:\d+ for \d+\.\d s"
        ) as caught:
            async with manager.session_scope() as session:
                await session.execute(text("SELECT 1"))
        assert "report 1 at" in str(caught.value)
        assert caught.value.retry_after is None
        with pytest.raises(PoolExhausted):
            await manager.transact(lambda session: session.execute(text("SELECT 1")))
        stats = manager.stats()
        assert (stats.pool.timeouts_total, stats.breaker.failures, stats.breaker.outcomes) == (
            2,
            0,
            0,
        )
        assert stats.errors == (("pool_exhausted", 2),)
        assert manager.report().value("pool.oldest_checkout") > 0.1
        release.set()
        await asyncio.gather(*held)


async def test_who_waits_for_a_connection_gets_the_first_that_is_free(url, opened):
    async with opened(url, pool_size=1, max_overflow=0) as manager:
        order = []

        async def visit(name):
            async with manager.session_scope() as session:
                await session.execute(text("SELECT 1"))
                order.append(name)
                await asyncio.sleep(0.01)

        visits = [asyncio.create_task(visit(number)) for number in range(5)]
        while not manager.stats().pool.waiting:
            await asyncio.sleep(0)
        await asyncio.gather(*visits)
        assert order == [0, 1, 2, 3, 4]
        pool = manager.stats().pool
        assert (pool.waiting, pool.active, pool.idle, pool.created_total) == (0, 0, 1, 1)
        assert (pool.checkouts_total, pool.checkins_total) == (5, 5)
        assert pool.wait_time.count == pool.use_time.count == 5


async def test_overflow_is_counted_and_stays_open_while_it_is_of_use(url, opened):
    async with opened(url, pool_size=1, max_overflow=2) as manager:
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(3):
                session = await stack.enter_async_context(manager.session_scope())
                await session.execute(text("SELECT 1"))
            pool = manager.stats().pool
            assert (pool.total, pool.active, pool.idle, pool.overflow) == (3, 3, 0, 2)
        pool = manager.stats().pool
        assert (pool.total, pool.active, pool.idle, pool.overflow) == (3, 0, 3, 2)
        assert (pool.created_total, pool.closed_total) == (3, 0)


async def test_no_cancellation_leaks_a_connection_or_a_place(url, opened, seed):
    dice = random.Random(seed)
    async with opened(url, pool_size=2, max_overflow=1) as manager:

        async def work():
            async with manager.session_scope() as session:
                for _ in range(3):
                    await session.execute(text("SELECT 1"))

        async def impatient_work():
            async with asyncio.timeout(dice.random() * 0.01):
                await (work() if dice.random() < 0.5 else manager.transact(work_in))

        async def work_in(session):
            await session.execute(text("SELECT 1"))
            await asyncio.sleep(0)

        for _ in range(30):
            await asyncio.gather(*(impatient_work() for _ in range(6)), return_exceptions=True)
        async with asyncio.timeout(30):
            await asyncio.gather(*(work() for _ in range(6)))
        pool = manager.stats().pool
        assert (pool.active, pool.waiting) == (0, 0)
        (keeper,) = manager._engines.primaries()
        async with asyncio.timeout(30):
            while keeper.places.dialing:
                await asyncio.sleep(0.01)
        pool = manager.stats().pool
        assert keeper.places.taken == len(keeper.places.idle) == pool.total <= 3
        assert pool.created_total - pool.closed_total == pool.total


async def test_a_connection_is_recycled_when_it_is_old(url, opened):
    async with opened(url, pool_size=1, pool_recycle=1) as manager:
        for _ in range(2):
            async with manager.session_scope() as session:
                await session.execute(text("SELECT 1"))
            await asyncio.sleep(1.2)
        assert manager.stats().pool.recycled_total >= 1
        assert manager.stats().pool.invalidated_total == 0
        async with asyncio.timeout(30):
            while not _is_every_connection_accounted_for(manager.stats().pool):
                await asyncio.sleep(0.01)
        assert manager.stats().pool.total <= 2


async def test_a_refusal_inside_keeps_its_own_name(sqlite_url, opened):
    async with opened(sqlite_url) as manager:

        async def refused(session):
            raise errors.CircuitOpen("ai:claude", 3.0)

        with pytest.raises(errors.CircuitOpen, match="ai:claude"):
            await manager.transact(refused)
        with pytest.raises(errors.CircuitOpen, match="ai:claude"):
            async with manager.session_scope() as session:
                await refused(session)


async def test_a_session_in_memory_belongs_to_one_task_at_a_time(opened):
    async with opened("sqlite://") as manager, with_table(manager):

        async def write(number):
            async with manager.session_scope() as session:
                await insert(session, number)
                await asyncio.sleep(0)
                if number % 2:
                    raise KeyError(number)

        await asyncio.gather(*(write(n) for n in range(6)), return_exceptions=True)
        assert await count(manager) == 3


async def test_many_first_connections_to_a_new_file_do_not_trip_over_each_other(sqlite_url, opened):
    async with opened(sqlite_url) as manager:

        async def look():
            async with manager.session_scope() as session:
                return (await session.execute(text("PRAGMA journal_mode"))).scalar_one()

        assert set(await asyncio.gather(*(look() for _ in range(30)))) == {"wal"}
