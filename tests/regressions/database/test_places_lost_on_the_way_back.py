"""A connection that broke while its isolation level was taken back cost the pool a place for ever.

SQLAlchemy takes it back between the end of the transaction and the return to the pool. What failed
there was raised, so that what had committed was repeated, and nobody returned the connection. So
it was with a read-only SQLite.
"""

import asyncio

import pytest
from sqlalchemy import event, text

from koo.database import DatabaseConfig, DatabaseManager
from koo.testing import Action, FaultProxy

from ...database.undisturbed import undisturbed

pytestmark = pytest.mark.integration

ONE = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 30.0}
RESET = b"SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"


async def ask(manager, **terms):
    async with manager.session_scope(**terms) as session:
        return (await session.execute(text("SELECT 42"))).scalar_one()


async def test_a_connection_that_breaks_on_its_way_back_is_replaced(mariadb):
    broken = []

    async def cut(chunk):
        if RESET in chunk.payload:
            broken.append(1)
            return Action.CUT
        return Action.PASS

    async with FaultProxy("127.0.0.1", mariadb.port) as proxy:
        manager = DatabaseManager(DatabaseConfig(url=mariadb.url(port=proxy.port), **ONE))
        try:
            proxy.hook = cut
            for _ in range(3):
                assert await ask(manager, isolation_level="SERIALIZABLE") == 42
            pool = manager.stats().pool
            assert (len(broken), pool.active, pool.checkins_total) == (3, 0, 3)
        finally:
            await manager.close()


@undisturbed
async def test_so_is_one_that_stays_silent_on_its_way_back(mariadb):
    async def silence(chunk):
        if RESET in chunk.payload:
            return Action.DROP
        return Action.PASS

    async with FaultProxy("127.0.0.1", mariadb.port) as proxy:
        config = DatabaseConfig(url=mariadb.url(port=proxy.port), attempt_timeout=0.5, **ONE)
        manager = DatabaseManager(config)
        try:
            proxy.hook = silence
            async with asyncio.timeout(60):
                for _ in range(2):
                    assert await ask(manager, isolation_level="SERIALIZABLE") == 42
                assert await ask(manager) == 42
            assert manager.stats().pool.active == 0
        finally:
            await manager.close()


async def test_what_has_committed_is_not_repeated(mariadb):
    runs, broken = [], []

    async def cut_once(chunk):
        if RESET in chunk.payload and not broken:
            broken.append(1)
            return Action.CUT
        return Action.PASS

    async def work(session):
        runs.append(1)
        await session.execute(text("INSERT INTO ledger VALUES (1)"))

    async with FaultProxy("127.0.0.1", mariadb.port) as proxy:
        manager = DatabaseManager(DatabaseConfig(url=mariadb.url(port=proxy.port), **ONE))
        try:
            async with manager.session_scope() as session:
                await session.execute(text("CREATE TABLE ledger (n INTEGER)"))
            proxy.hook = cut_once
            await manager.transact(work, isolation_level="SERIALIZABLE")
            async with manager.session_scope() as session:
                rows = (await session.execute(text("SELECT count(*) FROM ledger"))).scalar_one()
            assert (len(broken), len(runs), rows) == (1, 1, 1)
        finally:
            await manager.close()


async def test_who_is_cancelled_on_the_way_back_is_cancelled_and_leaves_a_place(tmp_path):
    manager = DatabaseManager(DatabaseConfig(url=f"sqlite:///{tmp_path}/app.db", **ONE))

    def cancel(*_):
        raise asyncio.CancelledError

    try:
        assert await ask(manager) == 42
        event.listen(manager.engine.sync_engine.pool, "checkin", cancel, once=True)
        with pytest.raises(asyncio.CancelledError):
            await ask(manager, readonly=True)
        assert await ask(manager) == 42
        assert manager.stats().pool.active == 0
    finally:
        await manager.close()


async def test_a_read_only_sqlite_that_can_not_be_made_writable_again_is_replaced(tmp_path):
    manager = DatabaseManager(DatabaseConfig(url=f"sqlite:///{tmp_path}/app.db", **ONE))
    try:
        assert await ask(manager) == 42
        (slot,) = manager.engine.sync_engine.pool.keeper.slots

        def close(*_):
            slot.connection.close()

        # After the COMMIT, so that only the way back meets a connection that is closed.
        event.listen(
            manager.engine.sync_engine,
            "commit",
            lambda _: event.listen(manager.engine.sync_engine.pool, "reset", close, once=True),
            once=True,
        )
        assert await ask(manager, readonly=True) == 42
        assert await ask(manager) == 42
        pool = manager.stats().pool
        assert (pool.active, pool.created_total) == (0, 2)
    finally:
        await manager.close()
