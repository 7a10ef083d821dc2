"""After a failover the backend with a lost COMMIT's number may be an innocent reader's.

It was ended if it belonged to the same user, and had read for longer than the COMMIT was away.
"""

import contextlib
from dataclasses import replace

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
        on_another_server = replace(namesake, lived=namesake.lived + HOUR)
        await on_another_server.end(judge, SYSTEM_CLOCK)
        assert (await reader.execute(text("SELECT 2"))).scalar_one() == 2


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_our_own_is_ended(server, driver):
    async with reader_and_judge(server.url(driver)) as (reader, judge):
        await (await backend_of(reader)).end(judge, SYSTEM_CLOCK)
        with pytest.raises(exc.DBAPIError):
            await reader.execute(text("SELECT 2"))


GRANTS = ["GRANT blue TO green", "GRANT pg_signal_backend, pg_read_all_stats TO green"]


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
@pytest.mark.parametrize("grant", [*GRANTS, None])
async def test_that_of_the_login_before_is_ended_by_who_may(server, driver, grant):
    """Logins that take turns: PostgreSQL knows who may end whose backend."""
    async with reader_and_judge(server.url(driver)) as (reader, _):
        for statement in ("CREATE ROLE blue LOGIN", "CREATE ROLE green LOGIN", grant or "SELECT 1"):
            await reader.execute(text(statement))
        await reader.commit()
        async with as_role("blue", reader) as blue, as_role("green", reader) as green:
            await blue.execute(text("SELECT 1"))
            await (await backend_of(blue)).end(green, SYSTEM_CLOCK)
            await green.rollback()
            if grant:
                with pytest.raises(exc.DBAPIError):
                    await blue.execute(text("SELECT 2"))
            else:
                assert (await blue.execute(text("SELECT 2"))).scalar_one() == 2
        await reader.execute(text("DROP ROLE blue, green"))
        await reader.commit()


@contextlib.asynccontextmanager
async def as_role(role, connection):
    """A connection to the same server for *role*."""
    url = connection.engine.url.set(username=role).render_as_string(hide_password=False)
    manager = DatabaseManager(DatabaseConfig(url=url))
    try:
        async with manager.engine.connect() as found:
            yield found
    finally:
        await manager.close()
