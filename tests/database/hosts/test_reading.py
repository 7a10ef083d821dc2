"""A standby is read only while it is known to be fresh, and the primary otherwise."""

import asyncio
import contextlib
import time

import pytest
from sqlalchemy import exc, text

from koo.database import PoolExhausted, StatementTimedOut
from koo.database.replicas.reading import Marks
from koo.testing import BlackHole, FaultProxy

from ..saying import say_to

STANDBY = text("SELECT pg_is_in_recovery()")


# -- arithmetic -------------------------------------------------------------------------


def test_a_standby_is_complete_up_to_the_last_mark_that_it_has_replayed():
    marks = Marks()
    assert marks.reached("7 00000001 0/FF") == float("-inf")
    for asked, position in (
        (1.0, "7 00000001 0/10"),
        (2.0, "7 00000001 0/20"),
        (3.0, "7 00000001 1/0"),
    ):
        marks.note(asked, position)
    assert marks.reached("7 00000001 0/F") == float("-inf")
    assert marks.reached("7 00000001 0/10") == 1.0
    assert marks.reached("7 00000001 0/FFFFFFFF") == 2.0
    assert marks.reached("7 00000001 1/0") == 3.0


def test_a_primary_that_does_not_answer_makes_its_marks_worthless():
    marks = Marks()
    marks.note(1.0, "7 00000001 0/10")
    marks.note(2.0, None)
    assert marks.reached("7 00000001 0/10") == float("-inf")


# -- real servers -----------------------------------------------------------------------


async def is_on_standby(manager, **options):
    async with manager.session_scope(readonly=True, **options) as session:
        return (await session.execute(STANDBY)).scalar_one()


@pytest.fixture
def reading(pair, driver, opened, eventually):
    """`async with reading(port of the standby) as manager`, when the standby is in use."""

    def reading(port=None, **config):
        primary, standby = pair
        replicas = standby.url(driver, port=port)
        config.setdefault("replica_staleness", 20.0)
        return opened(primary.url(driver), replicas=replicas, **config)

    return reading


@pytest.mark.integration
async def test_readonly_sessions_go_to_a_fresh_standby_and_only_they(reading, eventually):
    async with reading() as manager:
        assert not await is_on_standby(manager)
        await eventually(lambda: is_on_standby(manager))
        assert not await is_on_standby(manager, isolation_level="SERIALIZABLE")
        assert await is_on_standby(manager, isolation_level="REPEATABLE READ")
        async with manager.session_scope() as session:
            assert not (await session.execute(STANDBY)).scalar_one()
        (replica,) = manager.stats().replicas
        assert 0 < replica.age < 20
        assert (replica.sessions_total, replica.failures_total) == (2, 0)
        names = {reading.name for reading in manager.report().readings}
        assert {"replica_age", "replica_sessions_total", "replica_failures_total"} <= names
        assert {"replica_pool.active", "replica_timeouts_total"} <= names


@pytest.mark.integration
async def test_without_replicas_readonly_sessions_stay_on_the_primary(pair, driver, opened):
    async with opened(pair[0].url(driver)) as manager:
        assert not await is_on_standby(manager)
        assert manager.stats().replicas == ()


@pytest.mark.integration
async def test_no_read_is_older_than_the_bound_while_the_standby_stands_still(
    pair, reading, eventually, ledger_in
):
    """Written to all the time; what a read finds is at least as new as the bound allows."""
    _, standby = pair
    bound, written = 2.0, []

    async def write_on(manager):
        while True:
            async with manager.session_scope() as session:
                await session.execute(text("INSERT INTO ledger VALUES (:n)"), {"n": len(written)})
            written.append(time.monotonic())
            await asyncio.sleep(0.02)

    async with reading(replica_staleness=bound) as manager:
        await ledger_in(manager)
        writing = asyncio.create_task(write_on(manager))
        await eventually(lambda: is_on_standby(manager))
        await say_to(standby, "SELECT pg_wal_replay_pause()")
        try:
            stood, ages = 0, []
            until = time.monotonic() + 2 * bound
            while time.monotonic() < until:
                began = time.monotonic()
                must = sum(moment < began - bound for moment in written)
                async with manager.session_scope(readonly=True) as session:
                    stood += (await session.execute(STANDBY)).scalar_one()
                    found = (
                        await session.execute(text("SELECT count(*) FROM ledger"))
                    ).scalar_one()
                ages.append(found >= must)
                await asyncio.sleep(0.01)
        finally:
            await say_to(standby, "SELECT pg_wal_replay_resume()")
        assert stood
        assert all(ages)
        assert not await is_on_standby(manager) or manager.stats().replicas[0].age < bound
        await eventually(lambda: is_on_standby(manager))
        writing.cancel()
        await asyncio.wait({writing})


def go_dark(proxy):
    proxy.black_hole = BlackHole.ALL


def go_away(proxy):
    proxy.refuse()
    proxy.reset_all()


@pytest.mark.integration
@pytest.mark.parametrize("fail", [go_dark, go_away])
async def test_a_standby_that_fails_costs_one_read_at_most_and_comes_back(
    pair, reading, eventually, fail
):
    async with (
        FaultProxy("127.0.0.1", pair[1].port) as proxy,
        reading(proxy.port, check_timeout=2, timeout=3) as manager,
    ):
        await eventually(lambda: is_on_standby(manager))
        fail(proxy)
        with contextlib.suppress(exc.DBAPIError, StatementTimedOut):
            await is_on_standby(manager)
        for _ in range(30):
            assert not await is_on_standby(manager)
            await asyncio.sleep(0.01)
        assert manager.stats().replicas[0].failures_total <= 2
        assert manager.stats().breaker.failures == 0
        proxy.black_hole = BlackHole.OFF
        await proxy.listen()
        await eventually(lambda: is_on_standby(manager))


@pytest.mark.integration
async def test_a_standby_that_cannot_be_dialed_leaves_its_readers_to_the_primary(
    pair, reading, eventually
):
    async with FaultProxy("127.0.0.1", pair[1].port) as proxy, reading(proxy.port) as manager:
        readers = manager._engines.current().readers
        await is_on_standby(manager)

        async def is_fresh():
            return readers.replicas[0].complete_until > 0

        await eventually(is_fresh)
        proxy.resets_new = True
        assert not await is_on_standby(manager)
        (replica,) = manager.stats().replicas
        assert (replica.age, replica.failures_total) == (None, 1)
        assert "replica_age" not in {reading.name for reading in manager.report().readings}


@pytest.mark.integration
async def test_errors_that_are_the_callers_own_are_raised_and_held_against_nobody(
    reading, eventually
):
    async with reading(pool_size=1, max_overflow=0, pool_timeout=1.5) as manager:
        await eventually(lambda: is_on_standby(manager))
        with pytest.raises(KeyError):
            async with manager.session_scope(readonly=True):
                raise KeyError
        with pytest.raises(Exception, match="cannot execute|read-only"):
            async with manager.session_scope(readonly=True) as session:
                await session.execute(text("DROP TABLE IF EXISTS theirs"))
        async with manager.session_scope(readonly=True):
            with pytest.raises(
                PoolExhausted, match=r"^database replica 127\.0\.0\.1:\d+: .* in use"
            ):
                await is_on_standby(manager)
            (replica,) = manager.stats().replicas
            assert (replica.pool.active, replica.pool.timeouts_total) == (1, 1)
            assert manager.stats().pool.timeouts_total == 0
        with pytest.raises(Exception, match="NONSENSE"):
            await is_on_standby(manager, isolation_level="nonsense")
        assert manager.stats().replicas[0].failures_total == 0
        assert await is_on_standby(manager)
