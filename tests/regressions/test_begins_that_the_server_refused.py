"""A BEGIN that the server refused left a connection on which nobody else's succeeded.

asyncpg remembers the transaction that never began, SQLAlchemy's adapter forgets it, and the pool
lent the connection again: until it was old, every sound caller failed of it.
"""

import contextlib

import pytest
from sqlalchemy import exc, text

from koo.database import DatabaseConfig, DatabaseManager
from koo.resilience import Policy
from koo.testing import PostgresServer

pytestmark = pytest.mark.integration

FAST = {"fsync": "off", "shared_buffers": "16MB"}
DRIVERS = ["asyncpg", "psycopg"]
THIRTY_FIVE_DAYS = 3e6


@pytest.fixture(scope="module")
def primary():
    with PostgresServer(settings=FAST) as primary:
        yield primary


@pytest.fixture(scope="module")
def standby(primary):
    with primary.standby(settings=FAST) as standby:
        yield standby


@contextlib.asynccontextmanager
async def opened(url, **config):
    told = []
    manager = DatabaseManager(DatabaseConfig(url=url, **config), on_event=told.append)
    try:
        yield manager, told
    finally:
        await manager.close()


async def ask(manager, **terms):
    async with manager.session_scope(**terms) as session:
        return (await session.execute(text("SELECT 42"))).scalar_one()


@pytest.mark.parametrize("driver", DRIVERS)
async def test_the_next_caller_gets_a_sound_connection(standby, driver):
    url = f"{standby.url(driver)}?target_session_attrs=standby"
    async with opened(url, pool_size=1, max_overflow=0) as (manager, _):
        assert await ask(manager) == 42
        with pytest.raises(exc.DBAPIError, match="serializable mode in a hot standby"):
            await ask(manager, isolation_level="SERIALIZABLE")
        assert await ask(manager) == 42
        assert await ask(manager, isolation_level="REPEATABLE READ") == 42


async def test_why_it_was_closed_is_told(standby):
    async with opened(f"{standby.url()}?target_session_attrs=standby") as (manager, told):
        with pytest.raises(exc.DBAPIError):
            await ask(manager, isolation_level="SERIALIZABLE")
    assert "it came back unfinished" in [event.cause for event in told if event.what == "closed"]


async def test_a_sound_transaction_leaves_its_connection_open(primary):
    async with opened(primary.url(), pool_size=1) as (manager, told):
        assert await ask(manager) == 42
        assert await ask(manager, isolation_level="AUTOCOMMIT") == 42
        with pytest.raises(exc.DBAPIError):
            async with manager.session_scope() as session:
                await session.execute(text("SELECT 1 / 0"))
        assert await ask(manager, isolation_level="SERIALIZABLE", readonly=True) == 42
        assert [event.what for event in told] == ["opened"]


@pytest.mark.parametrize("driver", DRIVERS)
async def test_a_far_deadline_is_no_longer_than_the_server_can_count(primary, driver):
    async with opened(primary.url(driver), timeout=THIRTY_FIVE_DAYS) as (manager, _):
        assert await Policy("batch", timeout=THIRTY_FIVE_DAYS).run(lambda: ask(manager)) == 42

        async def work(session):
            return (await session.execute(text("SHOW statement_timeout"))).scalar_one()

        assert await manager.transact(work) == "2147483647ms"
