"""The ROLLBACK: nobody waits long for it, and nothing that goes wrong with it matters."""

import asyncio
import time

import pytest
from sqlalchemy import text

from koo.testing import LinkFault, Phase

pytestmark = pytest.mark.integration


async def book(session):
    await session.execute(text("INSERT INTO ledger VALUES (1)"))


@pytest.mark.parametrize(("delay", "waits"), [(0.002, True), (0.1, False)])
async def test_who_is_cancelled_while_rolling_back_waits_a_moment_and_loses_no_connection(
    through_proxy, delay, waits
):
    async with through_proxy() as (manager, proxy, _):

        async def work(session):
            await book(session)
            proxy.delay = delay
            raise KeyError("mine")

        task = asyncio.create_task(manager.transact(work))
        while not _is_closing():
            await asyncio.sleep(0)
        began = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - began < 0.05
        assert manager.stats().pool.active == (0 if waits else 1)
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
            async with asyncio.timeout(0.2):
                await manager.transact(work)
        assert manager.stats().pool.active == 1
        await asyncio.sleep(1.1)
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
