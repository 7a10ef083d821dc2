"""On MariaDB, what fails has perhaps done something before, and opened a transaction by that.

Its error does not say so: what it had done and a `CREATE` committed was done again.
"""

import contextlib

import pytest
from sqlalchemy import exc, text

from koo.database import DatabaseConfig, DatabaseManager
from koo.database.scope import Scope

CONFLICT = "SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'Deadlock found'"
ADD_ONE = "UPDATE ledger SET n = n + 1 WHERE k = 1"
FAIL = "UPDATE nowhere SET n = 1"
TOO_MUCH = 2_147_483_647
ADD = text("UPDATE ledger SET n = n + :more WHERE k = :k")


@contextlib.asynccontextmanager
async def opened(mariadb):
    """A manager; there are two accounts, of which the second can't take more."""
    manager = DatabaseManager(DatabaseConfig(url=mariadb.url()))
    try:
        async with manager.session_scope() as session:
            for statement in (
                "CREATE OR REPLACE TABLE ledger (k INTEGER PRIMARY KEY, n INTEGER)",
                "INSERT INTO ledger VALUES (1, 0), (2, 1)",
                f"CREATE OR REPLACE PROCEDURE add_to_both() BEGIN {ADD_ONE}; {FAIL}; END",
            ):
                await session.execute(text(statement))
        yield manager
    finally:
        await manager.close()


async def add_to_both(session):
    await session.execute(ADD, [{"more": 1, "k": 1}, {"more": TOO_MUCH, "k": 2}])


async def add_by_a_procedure(session):
    await session.execute(text("CALL add_to_both()"))


async def balance(manager):
    async with manager.session_scope() as session:
        return await session.scalar(text("SELECT n FROM ledger WHERE k = 1"))


def catching(failing, words):
    """A function that catches the error, says *words* and is refused at first, and its runs."""
    runs = []

    async def work(session):
        runs.append(1)
        with pytest.raises(exc.DBAPIError):
            await failing(session)
        await session.execute(text(words))
        if len(runs) == 1:
            await (await session.connection()).exec_driver_sql(CONFLICT)

    return work, runs


@pytest.mark.integration
@pytest.mark.parametrize("failing", [add_to_both, add_by_a_procedure])
async def test_what_it_did_and_the_next_commits_is_not_repeated(mariadb, failing):
    async with opened(mariadb) as manager:
        work, runs = catching(failing, "CREATE TABLE IF NOT EXISTS made (n INTEGER)")
        with pytest.raises(exc.DBAPIError, match="1213"):
            await manager.transact(work)
        assert (len(runs), await balance(manager)) == (1, 1)


@pytest.mark.integration
@pytest.mark.parametrize("words", ["SELECT * FROM ledger", "SET @a = 1"])
async def test_what_commits_nothing_is_repeated(mariadb, words):
    async with opened(mariadb) as manager:
        work, runs = catching(add_to_both, words)
        await manager.transact(work)
        assert (len(runs), await balance(manager)) == (2, 1)


@pytest.mark.integration
async def test_what_has_begun_nothing_is_repeated(mariadb):
    async def fail(session):
        await session.execute(text("SELECT nonsense"))

    async with opened(mariadb) as manager:
        work, runs = catching(fail, "SET @a = 1")
        await manager.transact(work)
        assert len(runs) == 2


@pytest.mark.integration
async def test_with_autocommit_what_came_before_it_is_not_repeated(mariadb):
    refuse = (
        "CREATE OR REPLACE TRIGGER busy BEFORE UPDATE ON ledger FOR EACH ROW"
        f" IF NEW.k = 2 THEN {CONFLICT}; END IF"
    )
    runs = []

    async def add(session):
        runs.append(1)
        await session.execute(ADD, [{"more": 1, "k": 1}, {"more": 1, "k": 2}])

    async with opened(mariadb) as manager:
        async with manager.session_scope() as session:
            await (await session.connection()).exec_driver_sql(refuse)
        with pytest.raises(exc.DBAPIError, match="1213"):
            await manager.transact(add, isolation_level="AUTOCOMMIT")
        assert (len(runs), await balance(manager)) == (1, 1)


@pytest.mark.parametrize(("was_many", "is_done"), [(True, True), (False, False)])
def test_with_autocommit_one_alone_that_fails_has_done_nothing(was_many, is_done):
    scope = Scope("here", autocommits=True)
    scope.note_failure(1213, is_undone=True, was_many=was_many)
    assert scope.is_partly_done is is_done
