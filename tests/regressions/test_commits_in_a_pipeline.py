"""A COMMIT in a pipeline of psycopg's took no token with it: lost, it was repeated all the same."""

import pytest
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager

pytestmark = pytest.mark.integration


async def test_a_commit_in_a_pipeline_leaves_a_token_too(server):
    manager = DatabaseManager(DatabaseConfig(url=server.url("psycopg")))
    try:
        await manager.transact(in_a_pipeline)
        async with manager.session_scope() as session:
            tokens = text("SELECT count(*) FROM koo.commit_tokens WHERE NOT fenced")
            assert (await session.execute(tokens)).scalar_one() == 1
    finally:
        await manager.close()


async def in_a_pipeline(session):
    raw = await (await session.connection()).get_raw_connection()
    async with raw.driver_connection.pipeline():
        await session.execute(text("CREATE TABLE written (n INTEGER)"))
        await session.commit()
