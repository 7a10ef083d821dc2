"""Whoever emptied the table of tokens between a COMMIT's loss and its judgement doubled it.

The fence went in, as nothing was in its way, and that was taken for "not committed".
"""

import contextlib

import pytest
from sqlalchemy import text

from koo.errors import CommitOutcomeUnknown
from koo.testing import Action, Direction, FaultProxy, Phase

from ..database.saying import opened, rows, say

pytestmark = pytest.mark.integration

DRIVERS = ["asyncpg", "psycopg"]
TRUNCATED = ("TRUNCATE koo.commit_tokens",)
DELETED = ("DELETE FROM koo.commit_tokens",)
REPLACED = (
    "ALTER TABLE koo.commit_tokens RENAME TO gone",
    "CREATE TABLE koo.commit_tokens (LIKE koo.gone INCLUDING ALL)",
    "DROP TABLE koo.gone",
)
TABLES = "DROP TABLE IF EXISTS ledger", "CREATE TABLE ledger (n INTEGER)"


@contextlib.asynccontextmanager
async def losing_the_answers(server, driver):
    """A manager that has written once, one that goes straight, and what loses the next answer."""
    async with (
        FaultProxy("127.0.0.1", server.port) as proxy,
        opened(server.url(driver, port=proxy.port)) as manager,
        opened(server.url()) as direct,
    ):
        await say(direct, *TABLES)
        await manager.transact(write)

        def lose(then=()):
            left = [then]

            async def hook(chunk):
                is_answer = Phase.COMMIT_REPLY in chunk.phases
                if chunk.direction is Direction.TO_SERVER or not is_answer or not left:
                    return Action.PASS
                await say(direct, *left.pop())
                return Action.CUT

            proxy.hook = hook

        yield manager, direct, lose


async def write(session):
    await session.execute(text("INSERT INTO ledger VALUES (1)"))
    return "written"


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("emptied", [TRUNCATED, DELETED, REPLACED])
async def test_what_is_not_there_any_more_is_unknown_and_the_next_is_found_out_again(
    server, driver, emptied
):
    async with losing_the_answers(server, driver) as (manager, direct, lose):
        lose(then=emptied)
        with pytest.raises(CommitOutcomeUnknown):
            await manager.transact(write)
        assert await rows(direct) == 2
        lose()
        assert await manager.transact(write) == "written"
        assert await rows(direct) == 3


@pytest.mark.parametrize("driver", DRIVERS)
async def test_what_was_written_after_it_was_emptied_has_committed(server, driver):
    async with losing_the_answers(server, driver) as (manager, direct, lose):
        await say(direct, *TRUNCATED)
        lose()
        assert await manager.transact(write) == "written"
        assert await rows(direct) == 2


# -- SQLite, whose COMMIT is lost when its disk fails ----------------------------------------------


async def test_the_same_in_a_file(tmp_path):
    async with opened(f"sqlite:///{tmp_path}/app.db") as manager:
        await say(manager, *TABLES)
        await manager.transact(write)
        sending = manager.engine.sync_engine.dialect.do_commit.__self__
        commit = sending._commit

        def fail(connection):
            sending._commit = commit
            commit(connection)
            cursor = connection.cursor()
            cursor.execute("DELETE FROM koo_commit_tokens")
            cursor.close()
            commit(connection)
            raise OSError("the disk has gone")

        sending._commit = fail
        with pytest.raises(CommitOutcomeUnknown):
            await manager.transact(write)
        assert await rows(manager) == 2


async def test_the_cleaning_notices_that_the_table_was_emptied(tmp_path):
    async with opened(f"sqlite:///{tmp_path}/app.db") as manager:
        await say(manager, *TABLES)
        await manager.transact(write)
        witnesses = manager._engines.witnesses
        before = witnesses._witness.mark
        await witnesses._clean()
        assert witnesses._witness.mark == before
        await say(manager, "DELETE FROM koo_commit_tokens")
        await witnesses._clean()
        await manager.transact(write)
        assert witnesses._witness.mark not in {before, ""}
