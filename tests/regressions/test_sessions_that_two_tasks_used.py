"""A session that two tasks used at once took a connection from everybody else.

Its ROLLBACK met the other's statement and failed, and the connection stayed lent until the garbage
collector came. Its COMMIT did, and the connection was lent again in the middle of the transaction.
"""

import asyncio
import contextlib
import gc

import pytest
from sqlalchemy import exc, text

from koo.database import DatabaseConfig, DatabaseManager

pytestmark = pytest.mark.integration

DRIVERS = ["asyncpg", "psycopg"]


@pytest.fixture
def uncollected():
    """Nothing is given back by the garbage collector."""
    gc.disable()
    yield
    gc.enable()


@contextlib.asynccontextmanager
async def opened(server, driver):
    config = DatabaseConfig(url=server.url(driver), pool_size=1, max_overflow=0, pool_timeout=20)
    manager = DatabaseManager(config)
    try:
        yield manager
    finally:
        await manager.close()


async def ask(manager, **terms):
    async with manager.session_scope(**terms) as session:
        return (await session.execute(text("SELECT 42"))).scalar_one()


async def wait_until_nobody_sleeps(manager):
    """Return when no backend sleeps for us any more."""
    async with asyncio.timeout(20):
        while await _sleepers(manager):
            await asyncio.sleep(0.02)


async def _sleepers(manager):
    question = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"
    async with manager.session_scope() as session:
        return (await session.execute(text(question))).scalar_one()


class MineError(Exception):
    """The caller's own."""


async def fail(begun):
    await begun.wait()
    raise MineError


async def sleep(session, begun, seconds):
    asyncio.get_running_loop().call_later(0.05, begun.set)
    await session.execute(text(f"SELECT pg_sleep({seconds})"))


async def fail_beside_a_statement(manager, seconds):
    begun = asyncio.Event()
    async with manager.session_scope() as session:
        await session.execute(text("SELECT 1"))
        await asyncio.gather(fail(begun), sleep(session, begun, seconds))


async def end_beside_a_statement(manager, seconds, others, **terms):
    begun = asyncio.Event()
    async with manager.session_scope(**terms) as session:
        await session.execute(text("SELECT 1"))
        others.append(asyncio.create_task(sleep(session, begun, seconds)))
        await begun.wait()


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.usefixtures("uncollected")
async def test_a_rollback_that_meets_a_statement_gives_the_place_back(server, driver):
    async with opened(server, driver) as manager:
        for _ in range(3):
            with pytest.raises(MineError):
                await fail_beside_a_statement(manager, 0.3)
        assert await ask(manager) == 42
        assert manager.stats().pool.active == 0


async def test_the_statement_that_nobody_waits_for_is_cancelled_at_the_server(server):
    async with opened(server, "asyncpg") as manager:
        with pytest.raises(MineError):
            await fail_beside_a_statement(manager, 600)
        await wait_until_nobody_sleeps(manager)


async def test_a_commit_that_meets_a_statement_is_refused_and_not_unknown(server):
    others = []
    async with opened(server, "asyncpg") as manager:
        with pytest.raises(exc.InterfaceError, match="another operation is in progress"):
            await end_beside_a_statement(manager, 600, others)
        for _ in range(3):
            assert await ask(manager) == 42
        with pytest.raises(exc.SQLAlchemyError):
            await others[0]


async def test_nor_is_a_connection_lent_that_is_still_asked_outside_of_a_transaction(server):
    others = []
    async with opened(server, "asyncpg") as manager:
        await end_beside_a_statement(manager, 600, others, isolation_level="AUTOCOMMIT")
        async with asyncio.timeout(20):
            assert await ask(manager) == 42
        with pytest.raises(exc.SQLAlchemyError):
            await others[0]


async def fail_while_a_statement_waits_for_its_connection(manager, others):
    async with manager.session_scope() as session:
        others.append(asyncio.create_task(session.execute(text("SELECT 1"))))
        async with asyncio.timeout(20):
            while not manager.stats().pool.waiting:
                await asyncio.sleep(0.01)
        raise MineError


async def fail_before_a_statement_begins(manager, others):
    async with manager.session_scope() as session:
        others.append(session.execute(text("SELECT 1")))
        raise MineError


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(
    "fail", [fail_while_a_statement_waits_for_its_connection, fail_before_a_statement_begins]
)
@pytest.mark.usefixtures("uncollected")
async def test_no_connection_is_taken_for_a_block_that_has_ended(server, driver, fail):
    others = []
    async with opened(server, driver) as manager:
        async with manager.session_scope() as holder:
            await holder.execute(text("SELECT 1"))
            with pytest.raises(MineError):
                await fail(manager, others)
        with pytest.raises(exc.InvalidRequestError, match="the block of this session has ended"):
            await others[0]
        assert await ask(manager) == 42
        assert manager.stats().pool.active == 0
