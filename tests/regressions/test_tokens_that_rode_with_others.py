"""The token of a COMMIT that was never said stayed behind, and rode with the next borrower's.

Where the table had gone meanwhile, that one's COMMIT failed, though it had asked for no token.
"""

import contextlib

import pytest
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager

pytestmark = pytest.mark.integration

WRONG = "SELECT nonsense;"


@contextlib.asynccontextmanager
async def opened(url):
    manager = DatabaseManager(DatabaseConfig(url=url, pool_size=1, max_overflow=0))
    try:
        yield manager
    finally:
        await manager.close()


async def nothing(_session):
    return "nothing"


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_a_function_that_does_nothing_leaves_no_token_behind(server, driver):
    async with opened(server.url(driver)) as manager:
        assert await manager.transact(nothing) == "nothing"
        async with manager.session_scope() as session:
            await session.execute(text("DROP SCHEMA koo CASCADE"))


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_what_was_to_ride_with_a_commit_is_forgotten_by_the_rollback(server, driver):
    async with opened(server.url(driver)) as manager, manager.engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
        (await connection.get_raw_connection()).driver_connection.riding = WRONG
        await connection.rollback()
        await connection.execute(text("SELECT 1"))
        await connection.commit()
