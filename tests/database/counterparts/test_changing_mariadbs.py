"""Two MariaDBs of which one can be written to, and clients that stand still in a transaction."""

import asyncio
import time

import pytest
from sqlalchemy import exc, text

from koo.database import judge
from koo.resilience import Backoff, RetryConfig

from ..servers import MariadbServer

pytestmark = pytest.mark.integration

PATIENT = RetryConfig(max_retries=20, backoff=Backoff(base_delay=0.05, max_delay=0.2))
TABLE = "CREATE TABLE IF NOT EXISTS ledger (n INTEGER)"
ADD = text("INSERT INTO ledger VALUES (1)")
HERE = text("SELECT @@port")


@pytest.fixture
def two_mariadbs():
    with MariadbServer() as one, MariadbServer() as other:
        yield one, other


@pytest.fixture
def make_writable(ask):
    """`await make_writable(one, instead_of=other)`, for a user who is no administrator."""

    async def make_writable(one, instead_of):
        for server, is_read_only in ((instead_of, 1), (one, 0)):
            await ask(server, TABLE)
            await ask(server, "CREATE OR REPLACE USER plain@'127.0.0.1'")
            await ask(server, "GRANT ALL ON app.* TO plain@'127.0.0.1'")
            await ask(server, f"SET GLOBAL read_only = {is_read_only}")

    return make_writable


def url_of(*servers, role=""):
    hosts = ",".join(f"127.0.0.1:{server.port}" for server in servers)
    return f"mysql://plain@{hosts}/app{role and f'?target_session_attrs={role}'}"


async def write(session):
    await session.execute(ADD)
    return (await session.execute(HERE)).scalar_one()


async def where(manager):
    async with manager.session_scope() as session:
        return (await session.execute(HERE)).scalar_one()


async def test_the_one_that_can_be_written_to_is_found_and_found_again(
    two_mariadbs, make_writable, opened
):
    one, other = two_mariadbs
    await make_writable(other, instead_of=one)
    async with opened(url_of(one, other), retry=PATIENT) as manager:
        assert await manager.transact(write) == other.port
        await make_writable(one, instead_of=other)
        assert await manager.transact(write) == one.port
        await asyncio.to_thread(one.kill)
        await make_writable(other, instead_of=other)
        assert await manager.transact(write) == other.port


@pytest.mark.parametrize(
    ("role", "number"), [("read-write", 1), ("primary", 1), ("read-only", 0), ("standby", 0)]
)
async def test_who_is_read_only_counts_as_a_standby(
    two_mariadbs, make_writable, opened, role, number
):
    await make_writable(two_mariadbs[1], instead_of=two_mariadbs[0])
    async with opened(url_of(*two_mariadbs, role=role)) as manager:
        assert await where(manager) == two_mariadbs[number].port


async def test_the_row_lock_of_who_has_forgotten_a_transaction_is_free_in_time(
    mariadb, opened, ask
):
    await ask(mariadb, f"{TABLE}; TRUNCATE ledger; INSERT INTO ledger VALUES (1)")
    hold = text("SELECT n FROM ledger FOR UPDATE")
    async with (
        opened(mariadb.url()) as manager,
        opened(mariadb.url(), idle_in_transaction_timeout=1.5) as sleeper,
    ):
        forgotten = sleeper.session_scope()
        session = await forgotten.__aenter__()
        began = time.monotonic()
        await session.execute(hold)
        async with manager.session_scope() as other:
            await other.execute(hold)
        assert 1 < time.monotonic() - began < 20
        with pytest.raises(exc.DBAPIError) as caught:
            await session.execute(hold)
        assert not await forgotten.__aexit__(type(caught.value), caught.value, None)
        assert judge(caught.value).failure.retryable


@pytest.mark.parametrize(("seconds", "limit"), [(7, 7), (float("inf"), 0)])
async def test_each_connection_tells_how_long_it_may_be_idle(mariadb, opened, seconds, limit):
    question = text("SELECT @@idle_transaction_timeout")
    async with (
        opened(mariadb.url(), idle_in_transaction_timeout=seconds) as manager,
        manager.session_scope() as session,
    ):
        assert (await session.execute(question)).scalar_one() == limit


async def test_a_table_of_tokens_that_is_dropped_meanwhile_is_made_again(mariadb, opened, ask):
    await ask(mariadb, "DROP TABLE IF EXISTS ledger")
    await ask(mariadb, TABLE)
    async with opened(mariadb.url(), pool_size=1, max_overflow=0) as manager:
        await manager.transact(write)
        await ask(mariadb, "DROP TABLE koo_commit_tokens")
        await manager.transact(write, max_retries=1)
        assert await ask(mariadb, "SELECT count(*) FROM ledger") == [2]
        assert await ask(mariadb, "SELECT count(*) FROM koo_commit_tokens WHERE NOT fenced") == [1]
