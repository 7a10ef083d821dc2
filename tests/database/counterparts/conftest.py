"""What the tests against real counterparts share."""

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine


@pytest.fixture
def ask():
    """`await ask(server, "SELECT ...")`: as root, on a connection of its own."""

    async def ask(server, statement):
        engine = create_async_engine(server.url(), isolation_level="AUTOCOMMIT")
        try:
            async with engine.connect() as connection:
                found = await connection.execute(text(statement))
                return found.scalars().all() if found.returns_rows else None
        finally:
            await engine.dispose()

    return ask
