"""A PostgreSQL that the regressions share which harm none; each file finds it empty.

And a MariaDB for each file that wants one.
"""

import asyncio

import asyncpg
import pytest

from koo.testing import PostgresServer

from ..database.servers import MariadbServer

SEND_ALL_AWAY = """
    SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
SCHEMAS = (
    "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"
)
PUBLIC = """
    CREATE SCHEMA public AUTHORIZATION pg_database_owner;
    GRANT USAGE ON SCHEMA public TO PUBLIC
"""


@pytest.fixture(scope="session")
def _started():
    # Whoever counts transactions is alone.
    settings = {"fsync": "off", "autovacuum": "off"}
    with PostgresServer(settings=settings, start_timeout=120) as server:
        yield server


@pytest.fixture(scope="module")
def server(_started):
    """A PostgreSQL where nobody has been."""
    yield _started
    asyncio.run(_empty(_started))


@pytest.fixture(scope="module")
def mariadb():
    """A MariaDB of the file's own."""
    with MariadbServer() as server:
        yield server


async def _empty(server):
    connection = await asyncpg.connect(server.url(""))
    try:
        await connection.execute(SEND_ALL_AWAY)
        for row in await connection.fetch(SCHEMAS):
            await connection.execute(f"DROP SCHEMA {row['nspname']} CASCADE")
        await connection.execute(PUBLIC)
    finally:
        await connection.close()
