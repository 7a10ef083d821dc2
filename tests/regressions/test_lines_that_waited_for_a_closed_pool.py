"""Closing a manager left those in line waiting for ever, and cut off it left connections open."""

import asyncio

import pytest
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager
from koo.errors import DatabaseUnavailable
from koo.testing import BlackHole, FaultProxy

pytestmark = pytest.mark.integration

DRIVERS = pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])


def opened(url, **config):
    config = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 60.0, "timeout": 60.0, **config}
    return DatabaseManager(DatabaseConfig(url=url, **config))


async def ask(manager):
    async with manager.session_scope() as session:
        await session.execute(text("SELECT 1"))


async def hold(manager, holds):
    async with manager.session_scope() as session:
        await session.execute(text("SELECT 1"))
        holds.set()
        await asyncio.sleep(60)


async def all_refused(waiting):
    async with asyncio.timeout(20):
        ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(error) for error in ended] == [DatabaseUnavailable] * len(waiting)


@DRIVERS
async def test_who_waits_when_the_pool_is_closed_hears_of_it_at_once(server, driver):
    manager, holds = opened(server.url(driver)), asyncio.Event()
    holding = asyncio.create_task(hold(manager, holds))
    await holds.wait()
    transact = manager.transact(lambda session: session.execute(text("SELECT 1")))
    waiting = [asyncio.create_task(one) for one in (ask(manager), transact)]
    while manager.stats().pool.waiting < 2:
        await asyncio.sleep(0.01)
    await manager.close()
    await all_refused(waiting)
    holding.cancel()
    await asyncio.wait({holding})
    await ask(manager)
    await manager.close()


@DRIVERS
async def test_who_waits_for_the_first_dial_hears_of_it_as_well(server, driver):
    async with FaultProxy("127.0.0.1", server.port) as proxy:
        proxy.black_hole = BlackHole.ALL
        manager = opened(server.url(driver, port=proxy.port))
        waiting = [asyncio.create_task(ask(manager)) for _ in range(2)]
        while manager.stats().pool.waiting < 2:
            await asyncio.sleep(0.01)
        await manager.close()
        await all_refused(waiting)


@DRIVERS
async def test_who_has_a_session_but_no_connection_yet_opens_none_after_the_end(server, driver):
    manager = opened(server.url(driver))
    async with manager.session_scope() as session:
        await manager.close()
        with pytest.raises(DatabaseUnavailable):
            await session.execute(text("SELECT 1"))


@DRIVERS
async def test_a_close_that_is_cut_off_has_torn_off_everything(server, driver):
    async with FaultProxy("127.0.0.1", server.port) as proxy:
        manager = opened(server.url(driver, port=proxy.port), pool_size=3)
        await asyncio.gather(*(ask(manager) for _ in range(3)))
        proxy.black_hole = BlackHole.ALL
        # Long enough ago that it must be asked first, and does not answer.
        manager._engines.doubt()
        waiting = asyncio.create_task(ask(manager))
        while not manager.stats().pool.waiting:
            await asyncio.sleep(0)
        closing = asyncio.create_task(manager.close())
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait({closing})
        assert closing.cancelled()
        await all_refused([waiting])
        # In the dark the proxy itself would not see them go.
        proxy.black_hole = BlackHole.OFF
        async with asyncio.timeout(20):
            while proxy.connections:
                await asyncio.sleep(0.01)
