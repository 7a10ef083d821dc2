"""A function that became another role by SET ROLE failed at COMMIT, for want of a right.

And a role that is made another by its own settings could not end the backend that it had left, so
that the repetition waited for its locks.
"""

import asyncio
import contextlib

import pytest
from sqlalchemy import exc, text

from koo.database import DatabaseConfig, DatabaseManager
from koo.database.commit.numbers import Numbers
from koo.database.commit.tokens import Tokens
from koo.testing import Action, FaultProxy, Phase, PostgresServer

from ..database.saying import say, witness_of

pytestmark = pytest.mark.integration

DRIVERS = ["asyncpg", "psycopg"]
ROLES = (
    "CREATE TABLE ledger (n INTEGER)",
    "INSERT INTO ledger VALUES (1)",
    "CREATE ROLE weak",
    "GRANT ALL ON ledger TO weak",
    "CREATE ROLE owner",
    "CREATE ROLE app LOGIN IN ROLE owner",
    "ALTER ROLE app SET role = owner",
    "GRANT CREATE ON DATABASE postgres TO owner",
    "GRANT ALL ON ledger TO owner",
)
IS_OPEN = "SELECT has_schema_privilege('weak', 'koo', 'USAGE')"


@pytest.fixture
def server():
    with PostgresServer(settings={"fsync": "off"}) as server:
        asyncio.run(prepare(server))
        yield server


@contextlib.asynccontextmanager
async def opened(url, user="postgres"):
    manager = DatabaseManager(DatabaseConfig(url=url.replace("postgres@", f"{user}@")))
    try:
        yield manager
    finally:
        await manager.close()


async def prepare(server):
    async with opened(server.url()) as manager:
        await say(manager, *ROLES)


async def increment(session):
    await session.execute(text("UPDATE ledger SET n = n + 1"))


async def become_weak(session):
    await session.execute(text("SET LOCAL ROLE weak"))
    await increment(session)


@pytest.mark.parametrize("driver", DRIVERS)
async def test_a_function_may_become_whomever_it_likes(server, driver):
    async with opened(server.url(driver)) as manager:
        await manager.transact(become_weak, max_retries=0)
        assert type(witness_of(manager)) is Tokens
        assert await say(manager, "SELECT n FROM ledger") == 2


async def test_a_schema_that_was_there_before_is_opened_to_nobody(server):
    async with opened(server.url()) as manager:
        await say(manager, "CREATE SCHEMA koo")
        await manager.transact(increment)
        assert type(witness_of(manager)) is Tokens
        assert not await say(manager, IS_OPEN)
        with pytest.raises(exc.DBAPIError, match="permission denied for schema koo"):
            await manager.transact(become_weak, max_retries=0)


async def test_whoever_may_create_in_the_schema_needs_no_right_to_make_one(server):
    async with opened(server.url()) as owner:
        await say(
            owner,
            "CREATE ROLE tenant LOGIN",
            "GRANT ALL ON ledger TO tenant",
            "CREATE SCHEMA koo AUTHORIZATION tenant",
        )
    async with opened(server.url(), "tenant") as manager:
        await manager.transact(increment)
        assert type(witness_of(manager)) is Tokens


@pytest.mark.parametrize("driver", DRIVERS)
async def test_the_backend_of_a_role_that_is_another_is_ended(server, driver):
    async with FaultProxy("127.0.0.1", server.port) as proxy:
        url = server.url(driver, port=proxy.port)
        async with opened(url, "app") as manager:
            await manager.transact(increment)
            left = [Action.ORPHAN]

            def hook(chunk):
                lost = Phase.COMMIT_REQUEST in chunk.phases and left
                return left.pop() if lost else Action.PASS

            proxy.hook = hook
            began = asyncio.get_running_loop().time()
            await manager.transact(increment)
            # Long before the server ends what is idle in a transaction.
            assert asyncio.get_running_loop().time() - began < 20
            assert await say(manager, "SELECT n FROM ledger") == 3


@pytest.mark.parametrize("driver", DRIVERS)
async def test_what_a_deferred_trigger_may_not_do_is_not_tried_again(server, driver):
    """It was taken for a table of tokens that had gone, looked for, and repeated."""
    runs = []

    async def insert(session):
        runs.append(1)
        await session.execute(text("INSERT INTO ledger VALUES (1)"))

    async with opened(server.url(driver)) as manager:
        await say(
            manager,
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql"
            " AS $$ BEGIN RAISE insufficient_privilege; END $$",
            "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON ledger DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW EXECUTE FUNCTION refuse()",
        )
        with pytest.raises(exc.DBAPIError, match="insufficient_privilege"):
            await manager.transact(insert)
        assert len(runs) == 1


async def test_where_subscribers_take_all_tables_none_is_made(server):
    """They would stop at one that they don't have."""
    async with opened(server.url()) as manager:
        await say(manager, "CREATE PUBLICATION everything FOR ALL TABLES")
        await say(manager, "DROP SCHEMA IF EXISTS koo CASCADE")
        await manager.transact(lambda session: session.execute(text("SELECT 1")))
        assert type(witness_of(manager)) is Numbers
        assert await say(manager, "SELECT to_regnamespace('koo')") is None
