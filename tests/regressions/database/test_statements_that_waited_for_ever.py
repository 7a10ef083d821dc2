"""On MariaDB, a statement that was left behind in another task waited for ever.

Its session's COMMIT or ROLLBACK was sent all the same, and waited in its place. With a statement
that returns no rows, its answer was taken for that of the COMMIT, and what came afterwards was
nobody's: the connection was never lent again.
"""

import asyncio

import pytest
from sqlalchemy import exc, text

from koo.database import DatabaseConfig, DatabaseManager

pytestmark = pytest.mark.integration


class MineError(Exception):
    """The caller's own."""


async def leave(manager, statement, left, **terms):
    """End a block while another task waits for *statement*."""
    async with manager.session_scope(**terms) as session:
        await session.execute(text("SELECT 1"))
        left.append(asyncio.create_task(session.execute(text(statement))))
        while not await is_heard(manager, statement):
            await asyncio.sleep(0.01)


async def leave_and_fail(manager, statement, left):
    async with manager.session_scope() as session:
        await session.execute(text("SELECT 1"))
        left.append(asyncio.create_task(session.execute(text(statement))))
        while not await is_heard(manager, statement):
            await asyncio.sleep(0.01)
        raise MineError


async def is_heard(manager, statement):
    question = text("SELECT count(*) FROM information_schema.processlist WHERE info = :it")
    async with manager.session_scope() as session:
        return (await session.execute(question, {"it": statement})).scalar_one()


async def ask(manager, number):
    async with manager.session_scope() as session:
        return (await session.execute(text(f"SELECT {number}"))).scalar_one()


@pytest.mark.parametrize("statement", ["SELECT sleep(600)", "DO sleep(600)", "DO sleep(5)"])
@pytest.mark.parametrize(
    ("how", "error"), [(leave, exc.InterfaceError), (leave_and_fail, MineError)]
)
async def test_what_is_left_behind_ends_and_nobody_gets_its_answer(mariadb, statement, how, error):
    left = []
    config = DatabaseConfig(url=mariadb.url(), pool_size=2, max_overflow=0, pool_timeout=20)
    manager = DatabaseManager(config)
    try:
        with pytest.raises(error) as caught:
            await asyncio.wait_for(how(manager, statement, left), 20)
        if error is exc.InterfaceError:
            assert "another operation is in progress" in str(caught.value)
        with pytest.raises(exc.OperationalError):
            await asyncio.wait_for(left[0], 20)
        assert [await ask(manager, number) for number in range(6)] == list(range(6))
        async with manager.session_scope() as one, manager.session_scope() as other:
            assert (await one.execute(text("SELECT 7"))).scalar_one() == 7
            assert (await other.execute(text("SELECT 8"))).scalar_one() == 8
    finally:
        await manager.close()


async def test_nor_is_a_connection_lent_that_is_still_asked_outside_of_a_transaction(mariadb):
    left = []
    config = DatabaseConfig(url=mariadb.url(), pool_size=2, max_overflow=0)
    manager = DatabaseManager(config)
    try:
        with pytest.raises(exc.InterfaceError, match="another operation is in progress"):
            await leave(manager, "DO sleep(600)", left, isolation_level="AUTOCOMMIT")
        with pytest.raises(exc.SQLAlchemyError):
            await asyncio.wait_for(left[0], 20)
        assert [await ask(manager, number) for number in range(6)] == list(range(6))
    finally:
        await manager.close()
