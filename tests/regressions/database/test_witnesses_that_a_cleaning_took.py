"""Whoever had not written the first of several marks forgot its witness when it cleaned.

It looked for one anew, before the next transaction; in bad times in vain, for a second each time,
in which nobody knew what became of a lost COMMIT.
"""

import pytest
from sqlalchemy import text

from ...database.saying import opened, say, witness_of

pytestmark = pytest.mark.integration

SECOND = "0" * 20


async def write(session):
    await session.execute(text("CREATE TABLE IF NOT EXISTS written (n INTEGER)"))
    await session.execute(text("INSERT INTO written VALUES (1)"))


async def cleaned(manager):
    """The witness before a cleaning and after it."""
    before = witness_of(manager)
    await manager._engines.witnesses._clean()
    return before, witness_of(manager)


@pytest.mark.parametrize("kind", ["mariadb", "sqlite"])
async def test_of_two_marks_each_is_one(kind, request, tmp_path):
    file = f"sqlite+aiosqlite:///{tmp_path}/a.db"
    url = file if kind == "sqlite" else request.getfixturevalue(kind).url()
    async with opened(url) as manager:
        await manager.transact(write)
        await say(
            manager,
            f"DELETE FROM koo_commit_tokens WHERE token = 'ffffffffffff{SECOND}'",
            f"INSERT INTO koo_commit_tokens (token, fenced) VALUES ('ffffffffffff{SECOND}', 1)",
        )
        before, after = await cleaned(manager)
        assert after is before is not None


async def test_on_postgresql_the_mark_is_known_in_any_writing(server):
    """It gives a token back with hyphens in it."""
    async with opened(server.url()) as manager:
        await manager.transact(write)
        before, after = await cleaned(manager)
        assert after is before is not None


async def test_without_its_mark_it_is_looked_for_anew(tmp_path):
    async with opened(f"sqlite+aiosqlite:///{tmp_path}/a.db") as manager:
        await manager.transact(write)
        await say(manager, "DELETE FROM koo_commit_tokens")
        _, after = await cleaned(manager)
        assert after is None
