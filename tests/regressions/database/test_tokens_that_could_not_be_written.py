"""On MariaDB the table of tokens was used by who may not write to it, and on a read-only server."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager
from koo.database.commit.rows import Rows
from koo.resilience import Backoff, RetryConfig

from ...database.saying import say_to, witness_of

pytestmark = pytest.mark.integration

TOKENS = "koo_commit_tokens"
QUICK = RetryConfig(backoff=Backoff(base_delay=0.01, max_delay=0.05))
READ = ["WITH x AS (SELECT 1 AS a) SELECT a FROM x", "(SELECT 1)", "SHOW TABLES", "DO 1"]


@asynccontextmanager
async def opened(url):
    manager = DatabaseManager(DatabaseConfig(url=url, retry=QUICK))
    try:
        yield manager
    finally:
        await manager.close()


async def run(manager, statement):
    runs = []

    async def once(session):
        runs.append(statement)
        await session.execute(text(statement))

    await manager.transact(once)
    return len(runs)


@pytest.fixture
def app(mariadb):
    """The URL of a user who may read all, and write to a table of its own."""
    asyncio.run(prepare(mariadb))
    return mariadb.url(user="app")


async def prepare(mariadb):
    await say_to(mariadb, "DROP TABLE IF EXISTS mine", "CREATE TABLE mine (n int)")
    async with opened(mariadb.url()) as owner:
        await run(owner, "INSERT INTO mine VALUES (0)")
    await say_to(
        mariadb,
        "DROP USER IF EXISTS app@'127.0.0.1'",
        "CREATE USER app@'127.0.0.1'",
        "GRANT SELECT ON app.* TO app@'127.0.0.1'",
        "GRANT INSERT, UPDATE, DELETE ON app.mine TO app@'127.0.0.1'",
    )


async def test_who_may_not_write_a_token_commits_without_one(app):
    async with opened(app) as manager:
        for _ in range(2):
            assert await run(manager, "INSERT INTO mine VALUES (1)") == 1
        assert witness_of(manager) is None


@pytest.mark.parametrize("grants", ["direct", "by a role"])
async def test_who_may_write_a_token_does(mariadb, app, grants):
    if grants == "direct":
        await say_to(mariadb, f"GRANT INSERT ON app.{TOKENS} TO app@'127.0.0.1'")
    else:
        await say_to(
            mariadb,
            "CREATE OR REPLACE ROLE clerk",
            f"GRANT INSERT ON app.{TOKENS} TO clerk",
            "GRANT clerk TO app@'127.0.0.1'",
            "SET DEFAULT ROLE clerk FOR app@'127.0.0.1'",
        )
    async with opened(app) as manager:
        await run(manager, "INSERT INTO mine VALUES (1)")
        assert isinstance(witness_of(manager), Rows)


async def test_a_right_that_is_taken_away_meanwhile_costs_one_repetition(mariadb, app):
    await say_to(mariadb, f"GRANT INSERT ON app.{TOKENS} TO app@'127.0.0.1'")
    async with opened(app) as manager:
        await run(manager, "INSERT INTO mine VALUES (1)")
        await say_to(mariadb, f"REVOKE INSERT ON app.{TOKENS} FROM app@'127.0.0.1'")
        assert await run(manager, "INSERT INTO mine VALUES (2)") == 2
        assert await run(manager, "INSERT INTO mine VALUES (3)") == 1
        assert witness_of(manager) is None


async def test_on_a_read_only_server_nothing_is_written(mariadb, app):
    await say_to(
        mariadb, f"GRANT INSERT ON app.{TOKENS} TO app@'127.0.0.1'", "SET GLOBAL read_only=1"
    )
    try:
        async with opened(app) as manager:
            for statement in READ:
                assert await run(manager, statement) == 1
            assert manager.stats().pool.created_total == 1
    finally:
        await say_to(mariadb, "SET GLOBAL read_only=0")


async def test_what_only_reads_needs_no_token_on_a_server_that_became_read_only(mariadb, app):
    await say_to(mariadb, f"GRANT INSERT ON app.{TOKENS} TO app@'127.0.0.1'")
    async with opened(app) as manager:
        await run(manager, "INSERT INTO mine VALUES (1)")
        await say_to(mariadb, "SET GLOBAL read_only=1")
        try:
            for statement in READ[:-1]:
                assert await run(manager, statement) == 1
        finally:
            await say_to(mariadb, "SET GLOBAL read_only=0")
