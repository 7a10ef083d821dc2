"""After a failover the backend with a lost COMMIT's number may be an innocent reader's.

It was ended if it belonged to the same user, and had read for longer than the COMMIT was away.
"""

import contextlib

import pytest
from sqlalchemy import exc, text

from koo.database import DatabaseConfig, DatabaseManager
from koo.database.commit.tokens import Backend
from koo.resilience import SYSTEM_CLOCK

pytestmark = pytest.mark.integration

HOUR = 3600.0


@contextlib.asynccontextmanager
async def reader_and_judge(url):
    manager = DatabaseManager(DatabaseConfig(url=url))
    try:
        async with manager.engine.connect() as reader, manager.engine.connect() as judge:
            await reader.execute(text("SELECT 1"))
            yield reader, judge
    finally:
        await manager.close()


async def backend_of(connection):
    driver = (await connection.get_raw_connection()).driver_connection
    return Backend.of(driver, SYSTEM_CLOCK)


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_a_backend_of_another_age_is_not_ours(server, driver):
    async with reader_and_judge(server.url(driver)) as (reader, judge):
        namesake = await backend_of(reader)
        on_another_server = Backend(namesake.pid, namesake.lived + HOUR, namesake.sent)
        await on_another_server.end(judge, SYSTEM_CLOCK)
        assert (await reader.execute(text("SELECT 2"))).scalar_one() == 2


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_our_own_is_ended(server, driver):
    async with reader_and_judge(server.url(driver)) as (reader, judge):
        await (await backend_of(reader)).end(judge, SYSTEM_CLOCK)
        with pytest.raises(exc.DBAPIError):
            await reader.execute(text("SELECT 2"))
