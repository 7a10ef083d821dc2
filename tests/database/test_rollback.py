"""The ROLLBACK: nobody waits long for it, and nothing that goes wrong with it matters."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_connection

from koo.testing import Action, Direction, LinkFault, Phase

pytestmark = pytest.mark.integration


async def book(session):
    await session.execute(text("INSERT INTO ledger VALUES (1)"))


@pytest.mark.parametrize("waits", [True, False])
async def test_who_is_cancelled_while_rolling_back_waits_a_moment_and_loses_no_connection(
    through_proxy, monkeypatch, waits
):
    if waits:
        # So that it is no matter of the machine whether the answer comes within the moment.
        monkeypatch.setattr("koo.database.commit.sessions._MOMENT", 20)
    async with through_proxy() as (manager, proxy, _):
        answered = asyncio.Event()

        async def hold(chunk):
            if chunk.direction is Direction.TO_CLIENT:
                await answered.wait()
            return Action.PASS

        async def work(session):
            await book(session)
            proxy.hook = hold
            raise KeyError("mine")

        task = asyncio.create_task(manager.transact(work))
        while not _is_closing():
            await asyncio.sleep(0)
        task.cancel()
        if waits:
            asyncio.get_running_loop().call_later(0.01, answered.set)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert manager.stats().pool.active == (0 if waits else 1)
        answered.set()
        while manager.stats().pool.active:
            await asyncio.sleep(0.01)
        pool = manager.stats().pool
        assert (pool.idle, pool.invalidated_total) == (1, 0)


async def test_a_rollback_that_is_never_answered_is_ended_soon_after_its_caller_has_gone(
    through_proxy,
):
    async with through_proxy() as (manager, proxy, _):

        async def work(session):
            await book(session)
            proxy.drops_replies = True
            raise KeyError("mine")

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await manager.transact(work)
        assert manager.stats().pool.active == 1
        async with asyncio.timeout(20):
            while manager.stats().pool.total:
                await asyncio.sleep(0.05)
        pool = manager.stats().pool
        assert (pool.total, pool.active, pool.invalidated_total) == (0, 0, 1)


async def test_a_rollback_that_fails_does_not_hide_why_there_was_one(through_proxy):
    async with through_proxy() as (manager, proxy, _):

        async def work(session):
            await book(session)
            proxy.strike(LinkFault.RESET, Phase.ROLLBACK)
            raise KeyError("mine")

        with pytest.raises(KeyError, match="mine"):
            await manager.transact(work)
        assert proxy.struck.is_set()
        assert manager.stats().breaker.failures == 0


def _is_closing():
    return any("_close_in_time" in repr(task.get_coro()) for task in asyncio.all_tasks())


async def test_what_has_begun_nothing_is_given_back_without_a_rollback(
    opened, postgres, monkeypatch
):
    async with opened(postgres.url("asyncpg")) as manager:
        async with manager.engine.begin() as connection:
            await connection.execute(text("SELECT 1"))
            monkeypatch.delattr(AsyncAdapt_asyncpg_connection, "rollback")
        # SQLAlchemy gives up a connection whose ROLLBACK fails.
        pool = manager.stats().pool
        assert (pool.idle, pool.invalidated_total) == (1, 0)
        async with manager.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
            with pytest.raises(AttributeError):
                await connection.rollback()
            monkeypatch.undo()
