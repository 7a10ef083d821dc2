"""Only the first connection of a session had its isolation level, and was read-only.

After a `rollback()` or a `commit()` inside the block, what was written then passed; a lost COMMIT
of it was repeated, because the scope had said that it only reads.
"""

import pytest
from sqlalchemy import exc, text
from sqlalchemy.ext.asyncio import AsyncSession

from koo.testing import FaultProxy, LinkFault, Phase

from ...database.saying import opened

pytestmark = pytest.mark.integration

DRIVERS = ["asyncpg", "psycopg"]
ENDS = [AsyncSession.rollback, AsyncSession.commit]


async def answer(session, question):
    return (await session.execute(text(question))).scalar_one()


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("end", ENDS)
async def test_all_transactions_of_a_scope_are_as_it_was_asked_for(server, driver, end):
    asked = {"readonly": True, "isolation_level": "SERIALIZABLE"}
    async with opened(server.url(driver)) as manager:
        async with manager.session_scope(**asked) as session:
            for _ in range(3):
                assert await answer(session, "SHOW transaction_isolation") == "serializable"
                assert await answer(session, "SHOW transaction_read_only") == "on"
                await end(session)
        async with manager.session_scope() as session:
            assert await answer(session, "SHOW transaction_isolation") == "read committed"
            assert await answer(session, "SHOW transaction_read_only") == "off"


@pytest.mark.parametrize("end", ENDS)
async def test_on_sqlite_too(tmp_path, end):
    async with opened(f"sqlite:///{tmp_path}/app.db") as manager:
        async with manager.session_scope(readonly=True) as session:
            await answer(session, "SELECT 1")
            await end(session)
            with pytest.raises(exc.OperationalError, match="readonly"):
                await session.execute(text("CREATE TABLE t (n INTEGER)"))
            await session.rollback()
        async with manager.session_scope() as session:
            await session.execute(text("CREATE TABLE t (n INTEGER)"))


async def unlock_by_statement(session):
    await session.execute(text("SET TRANSACTION READ WRITE"))


async def unlock_by_option(session):
    await session.rollback()
    await session.connection(execution_options={"postgresql_readonly": False})


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("unlock", [unlock_by_statement, unlock_by_option])
async def test_who_takes_it_back_and_writes_is_not_repeated(server, driver, unlock):
    async with opened(server.url(driver)) as direct:
        async with direct.session_scope() as session:
            await session.execute(text("DROP TABLE IF EXISTS ledger"))
            await session.execute(text("CREATE TABLE ledger (n INTEGER)"))
        async with (
            FaultProxy("127.0.0.1", server.port) as proxy,
            opened(server.url(driver, port=proxy.port)) as manager,
        ):
            await manager.transact(lambda session: session.execute(text("SELECT 1")))

            async def write(session):
                await unlock(session)
                await session.execute(text("INSERT INTO ledger VALUES (1)"))
                proxy.strike(LinkFault.RESET, Phase.COMMIT_REPLY)
                return "written"

            assert await manager.transact(write, readonly=True) == "written"
            assert proxy.struck.is_set()
        async with direct.session_scope() as session:
            assert await answer(session, "SELECT count(*) FROM ledger") == 1


@pytest.mark.parametrize("driver", DRIVERS)
async def test_who_only_reads_has_nothing_to_lose(server, driver):
    read = []
    async with (
        FaultProxy("127.0.0.1", server.port) as proxy,
        opened(server.url(driver, port=proxy.port)) as manager,
    ):
        await manager.transact(lambda session: session.execute(text("SELECT 1")))

        async def look(session):
            read.append(await answer(session, "SELECT 7"))
            if len(read) == 1:
                proxy.strike(LinkFault.RESET, Phase.COMMIT_REPLY)
            return read[-1]

        assert await manager.transact(look, readonly=True) == 7
        assert len(read) == 2


async def test_without_a_transaction_nothing_is_read_only(tmp_path):
    async with opened(f"sqlite:///{tmp_path}/app.db") as manager:
        with pytest.raises(ValueError, match="no transaction to be read-only"):
            manager.session_scope(readonly=True, isolation_level="autocommit")
        with pytest.raises(ValueError, match="no transaction to be read-only"):
            await manager.transact(answer, readonly=True, isolation_level="AUTOCOMMIT")


async def test_in_the_middle_of_a_transaction_it_is_refused_and_harms_nobody(tmp_path):
    async with opened(f"sqlite:///{tmp_path}/app.db") as manager:
        async with manager.session_scope() as session:
            await session.execute(text("CREATE TABLE t (n INTEGER)"))
            connection = await session.connection()
            with pytest.raises(exc.InvalidRequestError, match="may not be altered"):
                await connection.execution_options(isolation_level="SERIALIZABLE")
        async with manager.session_scope() as session:
            assert await answer(session, "SELECT count(*) FROM t") == 0
        assert manager.stats().pool.closed_total == 0
