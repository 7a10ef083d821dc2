"""A transaction that made itself read-only and then wrote cost every connection, and three more."""

import pytest
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager, Kind, judge
from koo.database.hosts import roles
from koo.resilience import Backoff, RetryConfig
from koo.testing import PostgresServer

from ...database.servers import Pgbouncer

pytestmark = pytest.mark.integration

QUICK = RetryConfig(max_retries=2, backoff=Backoff(base_delay=0.01, max_delay=0.05))


@pytest.fixture(scope="module")
def server():
    with PostgresServer(settings={"fsync": "off"}) as server:
        yield server


async def runs_of_a_write_in_a_read_only_transaction(url):
    """How often the function ran, and how many connections that has cost."""
    runs = []

    async def write(session):
        runs.append(1)
        await session.execute(text("SET TRANSACTION READ ONLY"))
        await session.execute(text("CREATE TABLE never (n int)"))

    manager = DatabaseManager(DatabaseConfig(url=url, retry=QUICK, commit_tokens="off"))
    try:
        with pytest.raises(Exception, match="cannot execute CREATE TABLE") as caught:
            await manager.transact(write)
        assert judge(caught.value).kind is Kind.READ_ONLY
        return len(runs), manager.stats().pool.invalidated_total
    finally:
        await manager.close()


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_a_server_that_can_be_written_to_has_not_failed_over(server, driver):
    found = await runs_of_a_write_in_a_read_only_transaction(server.url(driver))
    assert found == (1, 0)


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_a_server_that_does_not_report_it_has_perhaps(server, driver, monkeypatch):
    monkeypatch.setattr(roles, "_parameter", lambda *_: None)
    found = await runs_of_a_write_in_a_read_only_transaction(server.url(driver))
    assert found == (3, 3)


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_a_server_behind_a_pooler_has_perhaps(server, driver):
    """The pooler goes on telling what the first server has said."""
    with Pgbouncer(server.port) as pooler:
        found = await runs_of_a_write_in_a_read_only_transaction(pooler.url(driver))
        assert found == (3, 3)
