"""MariaDB was told "read-only" before or after the isolation level, as the hash of two names was.

Said before it, it was used up by the COMMIT that SQLAlchemy says after the level: the transaction
wrote, and a lost COMMIT of it was repeated, because the scope had said that it only reads.
"""

import contextlib

import pytest
from sqlalchemy import exc, text
from sqlalchemy.ext.asyncio import AsyncSession

from koo.database import DatabaseConfig, DatabaseManager
from koo.testing import FaultProxy, LinkFault, Phase

pytestmark = pytest.mark.integration

ORDERS = [("isolation_level", "koo_readonly"), ("koo_readonly", "isolation_level")]
ASKED = {"readonly": True, "isolation_level": "SERIALIZABLE"}
ENDS = [AsyncSession.rollback, AsyncSession.commit]


@contextlib.asynccontextmanager
async def opened(url, order):
    """A manager to whose dialect SQLAlchemy hands the options in this *order*."""
    manager = DatabaseManager(DatabaseConfig(url=url))
    dialect = manager._engines.current().pooled.dialect

    def set_options(connection, options):
        dialect._set_connection_characteristics(
            connection, {name: options[name] for name in order if name in options}
        )

    dialect.set_connection_execution_options = set_options
    try:
        async with manager.session_scope() as session:
            await session.execute(text("CREATE OR REPLACE TABLE ledger (n INTEGER)"))
        yield manager
    finally:
        await manager.close()


async def write(session):
    await session.execute(text("INSERT INTO ledger VALUES (1)"))


async def entries(manager):
    async with manager.session_scope() as session:
        return (await session.execute(text("SELECT n FROM ledger"))).scalars().all()


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("end", ENDS)
async def test_who_only_reads_cannot_write_at_any_level(mariadb, order, end):
    async with opened(mariadb.url(), order) as manager:
        async with manager.session_scope(**ASKED) as session:
            for _ in range(3):
                level = await session.execute(text("SELECT @@tx_isolation"))
                assert level.scalar_one() == "SERIALIZABLE"
                with pytest.raises(exc.DBAPIError, match="1792"):
                    await write(session)
                await end(session)
        assert await entries(manager) == []


@pytest.mark.parametrize("order", ORDERS)
async def test_nor_if_its_commit_is_lost(mariadb, order):
    async with (
        FaultProxy("127.0.0.1", mariadb.port) as proxy,
        opened(mariadb.url(port=proxy.port), order) as manager,
    ):

        async def work(session):
            with contextlib.suppress(exc.DBAPIError):
                await write(session)
            if not proxy.struck.is_set():
                proxy.strike(LinkFault.RESET, Phase.COMMIT_REPLY)

        await manager.transact(work, **ASKED)
        assert proxy.struck.is_set()
        assert await entries(manager) == []
