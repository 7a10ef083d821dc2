"""A server that can be written to is found, whatever becomes of the one before."""

import asyncio
import time

import asyncpg
import pytest
from sqlalchemy import text

from koo.database import Kind, judge
from koo.database.commit.choosing import Witnesses
from koo.database.hosts import roles
from koo.errors import CommitOutcomeUnknown
from koo.resilience import Backoff, BreakerConfig, RetryConfig
from koo.testing import FaultProxy

from ..saying import say_to

pytestmark = pytest.mark.integration

WRITERS = 8
PROMOTIONS = 10
#: Seconds after the order to promote until something is written again, and what a machine may add
#: on which much else is tested; the benchmark `failover` adds nothing.
PROMISED, BUSY = 1.0, 5.0
PATIENT = {
    "pool_size": WRITERS,
    "retry": RetryConfig(max_retries=40, backoff=Backoff(base_delay=0.05, max_delay=0.2)),
    # How long the machine takes to promote a standby is none of the test's business.
    "retry_budget": None,
    "breaker": BreakerConfig(failure_threshold=1000),
}
WHERE = text("SELECT inet_server_port()")


def url_of(driver, *ports, role=None):
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    query = f"?target_session_attrs={role}" if role else ""
    return f"postgresql+{driver}://postgres@{hosts}/postgres{query}"


async def where(manager):
    async with manager.session_scope() as session:
        return (await session.execute(WHERE)).scalar_one()


@pytest.mark.parametrize(
    ("role", "number"),
    [(None, 0), ("read-write", 0), ("primary", 0), ("standby", 1), ("read-only", 1), ("any", 1)],
)
async def test_the_server_with_the_wanted_role_is_taken(pair, driver, opened, role, number):
    ports = [one.port for one in pair]
    async with opened(url_of(driver, *reversed(ports), role=role)) as manager:
        assert await where(manager) == ports[number]
        assert (await manager.check()).check.ok


async def test_a_server_that_does_not_report_its_role_is_asked(pair, driver, opened, monkeypatch):
    monkeypatch.setattr(roles, "_parameter", lambda *_: None)
    primary, standby = pair
    for role, wanted in (("primary", primary), ("standby", standby)):
        async with opened(url_of(driver, standby.port, primary.port, role=role)) as manager:
            assert await where(manager) == wanted.port


async def test_without_a_suitable_server_the_database_counts_as_away(pair, driver, opened):
    _, standby = pair
    async with opened(url_of(driver, standby.port, role="primary")) as manager:
        with pytest.raises(Exception, match="the server is not primary") as caught:
            await where(manager)
        verdict = judge(caught.value)
        assert (verdict.kind, verdict.failure.trips) == (Kind.CONNECTION, True)
        assert manager.stats().pool.total == 0


async def test_nothing_is_made_on_a_standby(pair, driver, opened, eventually, monkeypatch):
    """Not even tried: it would be refused there, and tried again every minute."""
    primary, standby = pair
    tried = []

    async def make(*_):
        tried.append(1)

    async def is_without():
        return not await say_to(standby, "SELECT 1 FROM pg_namespace WHERE nspname = 'koo'")

    await say_to(primary, "DROP SCHEMA IF EXISTS koo CASCADE")
    await eventually(is_without)
    monkeypatch.setattr(Witnesses, "_make", make)
    async with opened(url_of(driver, standby.port, role="standby")) as manager:
        assert await manager.transact(is_standby) is True
        assert manager._engines.witnesses.known is None
        assert tried == []


async def is_standby(session):
    return (await session.execute(text("SELECT pg_is_in_recovery()"))).scalar_one()


async def test_a_server_turned_read_only_loses_its_connections_to_the_next(
    postgres, pair, driver, opened
):
    first = pair[0]
    async with opened(postgres.url(driver)) as next_one:
        # A standby would have the table of tokens; this one must be given it.
        await next_one.transact(write)
    async with opened(url_of(driver, first.port, postgres.port)) as manager:
        assert await manager.transact(write) == first.port
        try:
            await turn(first, "on")
            assert await manager.transact(write) == postgres.port
        finally:
            await turn(first, "off")
        assert dict(manager.stats().errors) == {Kind.READ_ONLY: 1}


async def turn(server, read_only):
    """Let the server refuse to write, or not; every session knows it before its next statement."""
    connection = await asyncpg.connect(server.url(""))
    await connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {read_only}")
    await connection.execute("SELECT pg_reload_conf()")
    while await connection.fetchval("SHOW default_transaction_read_only") != read_only:
        await asyncio.sleep(0.01)
    await connection.close()


async def write(session):
    await session.execute(text("DROP TABLE IF EXISTS theirs"))
    return (await session.execute(WHERE)).scalar_one()


class Writers:
    """Tasks that each write row after row, and know which were acknowledged."""

    def __init__(self, manager):
        self.manager = manager
        self.written = []
        self.failed = []
        self.is_back = asyncio.Event()
        self.back_after = 0.0
        self.since = float("inf")

    def first_after(self, moment):
        """Tell by `is_back` of the first write acknowledged `back_after` seconds after *moment*."""
        self.since = moment

    async def write_on(self, number):
        row = number
        while True:
            await self._write(row)
            row += WRITERS

    async def _write(self, row):
        try:
            await self.manager.transact(lambda session: insert(session, row))
        except CommitOutcomeUnknown:
            self.failed.append(row)
        else:
            self.written.append(row)
            self._note(time.monotonic())

    def _note(self, now):
        if now > self.since and not self.is_back.is_set():
            self.back_after = now - self.since
            self.is_back.set()


async def insert(session, row):
    await session.execute(text("INSERT INTO ledger VALUES (:n)"), {"n": row})


@pytest.mark.properties
@pytest.mark.timeout(600)
async def test_a_standby_promoted_under_load_is_written_to_soon_and_nothing_is_lost(
    promotable, driver, opened, ledger_in, scale, record_property
):
    heard, promotions = [], round(PROMOTIONS * scale)
    for _ in range(promotions):
        async with (
            promotable() as (primary, standby),
            FaultProxy("127.0.0.1", primary.port) as proxy,
            opened(url_of(driver, proxy.port, standby.port), **PATIENT) as manager,
        ):
            await ledger_in(manager)
            writers, rows = await promoted_under_load(manager, primary, standby)
        assert 0 < writers.back_after < PROMISED + BUSY
        assert len(rows) == len(set(rows))
        assert set(writers.written) <= set(rows)
        assert len(writers.failed) <= WRITERS
        heard.append(writers)
    counted = {
        "acknowledged": sum(len(writers.written) for writers in heard),
        "failed": sum(len(writers.failed) for writers in heard),
        "slowest": round(max(writers.back_after for writers in heard), 3),
    }
    record_property("counted", {"driver": driver, "promotions": promotions, **counted})


async def promoted_under_load(manager, primary, standby):
    """Who has written meanwhile, and the rows that are there afterwards."""
    writers = Writers(manager)
    tasks = [asyncio.create_task(writers.write_on(number)) for number in range(WRITERS)]
    async with asyncio.timeout(30):
        while len(writers.written) < 10 * WRITERS:
            await asyncio.sleep(0.01)
    await asyncio.to_thread(primary.kill)
    writers.first_after(time.monotonic())
    await asyncio.to_thread(standby.promote)
    async with asyncio.timeout(30):
        await writers.is_back.wait()
    await asyncio.sleep(0.3)
    assert not any(task.done() for task in tasks)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return writers, await written_in(manager)


async def written_in(manager):
    async with manager.session_scope() as session:
        return [n for (n,) in await session.execute(text("SELECT n FROM ledger"))]
