"""A loop that stood still heard the answer and the end of its time at once, and lent a dead one.

Worse, it tore off every connection of a sound server, because nobody had listened.
"""

import asyncio
import time

import pytest
from sqlalchemy import exc, text

from koo.database import DatabaseConfig, DatabaseManager
from koo.database.drivers import liveness, on_asyncpg, on_psycopg
from koo.database.drivers.deadlined import Countdown
from koo.database.listening import dialing

pytestmark = pytest.mark.integration

PATIENCE = 0.05
LIMIT = 2.0


async def ask(manager):
    async with manager.session_scope() as session:
        return (await session.execute(text("SELECT 2"))).scalar_one()


def stand_still_until_it_is_too_late(driver):
    """Nothing turns until the answer has come and its time is over."""
    has_come, end = liveness.alarm_of(driver), time.monotonic() + 20
    time.sleep(4 * PATIENCE)
    while not has_come() and time.monotonic() < end:
        time.sleep(0.01)


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_what_was_answered_meanwhile_is_heard_first(server, driver, monkeypatch):
    url = server.url(driver)
    manager = DatabaseManager(DatabaseConfig(url=url, pool_size=1, max_overflow=0))
    pings = []

    async def stalled(connection, driver, dialect, _seconds):
        asked = asyncio.ensure_future(liveness.ping(connection, driver, dialect, PATIENCE))
        await asyncio.sleep(0)  # it is sent
        stand_still_until_it_is_too_late(driver)
        pings.append(await asked)
        return pings[-1]

    monkeypatch.setattr("koo.database.pool.keeper.ping", stalled)
    assert await ask(manager) == 2
    manager.engine.sync_engine.pool.keeper.doubt_all()
    assert await ask(manager) == 2
    assert pings == [None]
    assert manager.stats().pool.created_total == 1
    await manager.close()


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_what_prepares_a_new_one_is_heard_as_well(server, driver, monkeypatch):
    url = server.url(driver)
    config = DatabaseConfig(url=url, pool_size=1, max_overflow=0, check_timeout=LIMIT)
    manager = DatabaseManager(config)
    kind = {"asyncpg": on_asyncpg, "psycopg": on_psycopg}[driver].PromptConnection
    stalls, say_last = iter([True]), kind.say_alone

    async def stalled(connection, statements):
        asked = asyncio.ensure_future(say_last(connection, statements))
        await asyncio.sleep(0)  # it is sent
        if next(stalls, False):
            time.sleep(1.15 * LIMIT)  # noqa: ASYNC251 - nothing turns until the answer has come, too late
        return await asked

    monkeypatch.setattr(kind, "say_alone", stalled)
    assert await ask(manager) == 2
    assert manager.stats().pool.created_total == 1
    await manager.close()


class EndsAtTheLast(Countdown):
    """Its time ends in the very turn in which the last answer has come."""

    def stop(self):
        self._end()
        super().stop()


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_one_that_was_torn_off_at_the_last_does_not_count_as_prepared(
    server, driver, monkeypatch
):
    manager = DatabaseManager(DatabaseConfig(url=server.url(driver)))
    monkeypatch.setattr(dialing, "Countdown", EndsAtTheLast)
    with pytest.raises(exc.DBAPIError, match="prepares a connection"):
        await ask(manager)
    assert manager.stats().pool.total == 0
    await manager.close()
