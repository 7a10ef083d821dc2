"""What another database did inside the block of this one was counted as this one's.

Its exhausted line went into the errors of a manager whose pool was idle, and its server that
could not be reached into the failures of one whose server was well.
"""

import asyncio
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import exc, text

from koo.database import DatabaseConfig, DatabaseManager, PoolExhausted
from koo.testing import free_port

from ...database.undisturbed import undisturbed

pytestmark = pytest.mark.integration


async def ask(session):
    return (await session.execute(text("SELECT 1"))).scalar_one()


@asynccontextmanager
async def idle(tmp_path):
    """A manager whose pool and server are well."""
    manager = DatabaseManager(DatabaseConfig(url=f"sqlite:///{tmp_path}/ours.db"))
    try:
        yield manager
    finally:
        await manager.close()


@asynccontextmanager
async def exhausted(tmp_path, **terms):
    """A manager whose only connection is lent."""
    url = f"sqlite:///{tmp_path}/theirs.db"
    config = DatabaseConfig(url=url, pool_size=1, max_overflow=0, **terms)
    manager = DatabaseManager(config)
    try:
        async with manager.session_scope() as session:
            await ask(session)
            yield manager
    finally:
        await manager.close()


def between(ours, theirs, door):
    """A block of *ours* that has begun, and in it one of *theirs*."""

    async def both(session):
        await ask(session)
        async with theirs.session_scope() as other:
            await ask(other)

    async def scoped():
        async with ours.session_scope() as session:
            await both(session)

    return scoped() if door == "scope" else ours.transact(both, max_retries=0)


async def without_time(calling, manager):
    """*calling*, whose time is over as soon as it waits for a connection of *manager*."""
    async with asyncio.timeout(20) as limit:

        async def end():
            while not manager.stats().pool.waiting:
                await asyncio.sleep(0)
            limit.reschedule(asyncio.get_running_loop().time())

        await asyncio.gather(calling, end())


def counted(manager):
    stats = manager.stats()
    return stats.errors, stats.breaker.failures


@pytest.mark.parametrize("door", ["scope", "transact"])
@undisturbed
async def test_anothers_line_is_none_of_ours(tmp_path, door):
    async with idle(tmp_path) as ours, exhausted(tmp_path, pool_timeout=0.2) as theirs:
        with pytest.raises(PoolExhausted):
            await between(ours, theirs, door)
        assert counted(ours) == ((), 0)
        assert counted(theirs) == ((("pool_exhausted", 1),), 0)


@pytest.mark.parametrize("door", ["scope", "transact"])
async def test_nor_is_it_who_has_no_time_for_it(tmp_path, door):
    async with idle(tmp_path) as ours, exhausted(tmp_path) as theirs:
        with pytest.raises(TimeoutError):
            await without_time(between(ours, theirs, door), theirs)
        assert counted(ours) == ((), 0)
        assert counted(theirs) == ((("pool_exhausted", 1),), 0)


@pytest.mark.parametrize("door", ["scope", "transact"])
async def test_anothers_server_that_is_away_is_not_ours(tmp_path, door):
    url = f"postgresql+asyncpg://someone@127.0.0.1:{free_port()}/nowhere"
    away = DatabaseManager(DatabaseConfig(url=url))
    async with idle(tmp_path) as ours:
        with pytest.raises(exc.OperationalError):
            await between(ours, away, door)
        assert counted(ours) == ((), 0)
        assert counted(away) == ((("connection", 1),), 1)
    await away.close()


@undisturbed
async def test_a_line_of_our_own_is_ours_within_a_block_as_well(tmp_path):
    async with exhausted(tmp_path, pool_timeout=0.2) as ours:
        with pytest.raises(PoolExhausted):
            await between(ours, ours, "scope")
        assert counted(ours) == ((("pool_exhausted", 1),), 0)
