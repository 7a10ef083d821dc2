"""A standby that was ahead of the one that was promoted served lost rows as fresh for ever."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager
from koo.database.replicas.reading import Marks
from koo.testing import PostgresServer

from ...database.saying import say_to

FAST = {"fsync": "off", "shared_buffers": "16MB"}
WRITE = "INSERT INTO written VALUES ('{}')"
LONGER = "SELECT pg_logical_emit_message(true, 'koo', repeat('x', 3000000))"


def test_a_position_on_another_timeline_is_no_mark_that_was_reached():
    marks = Marks()
    marks.note(1.0, "7 00000001 0/10")
    marks.note(2.0, "7 00000002 0/20")
    assert marks.reached("7 00000001 0/FF") == 1.0
    assert marks.reached("7 00000002 0/FF") == 2.0
    assert marks.reached("7 00000003 0/FF") == float("-inf")
    assert marks.reached("8 00000002 0/FF") == float("-inf")


async def until(look):
    async with asyncio.timeout(60):
        while not await look():
            await asyncio.sleep(0.05)


async def caught_up(primary, standby):
    """Wait until *standby* has replayed what *primary* has written so far."""
    end = await say_to(primary, "SELECT pg_current_wal_lsn()::text")

    async def has_all():
        return await say_to(standby, f"SELECT pg_last_wal_replay_lsn() >= '{end}'::pg_lsn")

    await until(has_all)


@asynccontextmanager
async def reading(primary, standby):
    config = DatabaseConfig(url=primary.url(), replicas=standby.url(), replica_staleness=20.0)
    manager = DatabaseManager(config)
    try:
        yield manager
    finally:
        await manager.close()


async def read(manager):
    """Whether a standby was read, and what was there."""
    found = "SELECT pg_is_in_recovery(), string_agg(who, ',' ORDER BY who) FROM written"
    async with manager.session_scope(readonly=True) as session:
        return tuple((await session.execute(text(found))).one())


@pytest.fixture
def trio():
    """A primary and two standbys, each of which has what is written."""
    with (
        PostgresServer(settings=FAST) as primary,
        primary.standby(settings=FAST) as first,
        primary.standby(settings=FAST) as second,
    ):
        asyncio.run(say_to(primary, "CREATE TABLE written (who text)", WRITE.format("old")))
        for standby in (first, second):
            asyncio.run(caught_up(primary, standby))
        yield primary, first, second


@pytest.mark.integration
async def test_who_has_what_the_new_primary_never_got_is_not_read(trio, monkeypatch):
    primary, first, second = trio
    await asyncio.to_thread(first.kill)
    await say_to(primary, WRITE.format("lost"), LONGER)
    await caught_up(primary, second)
    await asyncio.to_thread(primary.kill)
    await asyncio.to_thread(first.start)
    await asyncio.to_thread(first.promote)
    await say_to(first, WRITE.format("new"))
    reached, seen = Marks.reached, []

    def recorded(marks, position):
        seen.append((len(marks._marks), reached(marks, position)))
        return seen[-1][1]

    async def is_judged():
        return sum(marks > 0 for marks, _ in seen) > 1

    monkeypatch.setattr(Marks, "reached", recorded)
    async with reading(first, second) as manager:
        assert await read(manager) == (False, "new,old")
        await until(is_judged)
        assert await read(manager) == (False, "new,old")
        assert {found for _, found in seen} == {float("-inf")}


@pytest.mark.integration
async def test_who_follows_the_new_primary_is_read_again(trio):
    _, first, second = trio
    await asyncio.to_thread(first.promote)
    source = f"host=127.0.0.1 port={first.port} user=postgres"
    await say_to(second, f"ALTER SYSTEM SET primary_conninfo = '{source}'")
    await say_to(second, "SELECT pg_reload_conf()")
    await say_to(first, WRITE.format("new"))

    async with reading(first, second) as manager:

        async def is_read():
            return await read(manager) == (True, "new,old")

        await until(is_read)
