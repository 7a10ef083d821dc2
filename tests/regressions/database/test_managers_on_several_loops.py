"""One manager on several event loops, looked at from a thread: limits, beats and engines mixed up.

Two loops had ten connections of five allowed; a report met a set that changed while it was read;
the second loop's background check made the first one's immortal; and an engine taken along to
another loop failed in asyncio's words.
"""

import asyncio
import threading

import pytest
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager
from koo.database.pool import PoolCounts
from koo.resilience import Holder

from ...database.pool.conftest import house

__all__ = ["house"]


class Pool:
    """As much of one as a photograph sees."""

    waiting, is_paused = 0, False

    def __init__(self, total):
        self.total = total

    def holders(self):
        return (Holder("task", "?", 1.0),)


def test_what_two_loops_may_open_is_twice_as_much():
    config = DatabaseConfig(url="postgresql://x/y", pool_size=5, max_overflow=2)
    stats = PoolCounts().photograph([Pool(7), Pool(1)], config, 0.0)
    assert (stats.size, stats.max_overflow, stats.total) == (10, 4, 8)
    assert (stats.overflow, stats.active, stats.idle) == (2, 2, 6)


@pytest.fixture
def manager(tmp_path):
    return DatabaseManager(DatabaseConfig(url=f"sqlite:///{tmp_path}/some.db", check_interval=0.05))


async def asked(engine):
    async with engine.connect() as connection:
        return (await connection.execute(text("SELECT 1"))).scalar()


@pytest.mark.integration
def test_an_engine_of_another_loop_is_refused_in_one_sentence(manager):
    kept = []

    async def first():
        kept.append(manager.engine)
        return await asked(manager.engine)

    assert asyncio.run(first()) == 1
    with pytest.raises(RuntimeError, match="belongs to another event loop; ask the manager"):
        asyncio.run(asked(*kept))
    assert asyncio.run(first()) == 1


@pytest.mark.integration
async def test_an_idle_connection_of_another_loop_is_refused_as_well(manager):
    engine = manager.engine
    await asked(engine)
    with pytest.raises(RuntimeError, match="belongs to another event loop"):
        await asyncio.to_thread(lambda: asyncio.run(asked(engine)))
    assert await asked(engine) == 1
    await manager.close()


@pytest.mark.integration
async def test_each_loop_ends_its_own_beat(manager):
    asking = []

    async def ask():
        asking.append(threading.get_ident())

    async def beside():
        # What the other loop has just heard would do for this one.
        manager._examiner.forget()
        manager.start()
        async with asyncio.timeout(10):
            while threading.get_ident() not in asking:
                await asyncio.sleep(0.01)
        await manager.close()

    manager._examiner._ask = ask
    manager.start()
    async with asyncio.timeout(10):
        while not asking:
            await asyncio.sleep(0.01)
    await asyncio.to_thread(lambda: asyncio.run(beside()))
    before = asyncio.all_tasks()
    await manager.close()
    assert len(before - asyncio.all_tasks()) == 1
    assert not manager._examiner._beats.is_running


@pytest.mark.integration
def test_nothing_is_kept_of_checks_on_loops_that_have_ended(manager):
    for _ in range(3):
        assert asyncio.run(manager.check()).check.ok
        manager._examiner.forget()
    assert not manager._examiner.is_fresh
    assert len(manager._examiner._flights._tasks) == 1


class Restless:
    """A connection that another thread lends and returns while somebody looks."""

    def __init__(self, slots):
        self.slots = slots

    @property
    def since(self):
        self.slots.add(Restless(self.slots))
        return 0.5

    def photograph(self, now):
        return Holder("task", "?", now - 0.5)


async def test_looking_from_a_thread_meets_no_set_that_changes(house):
    home = house()
    slots = home.keeper.slots
    slots.add(Restless(slots))
    assert len(home.keeper.holders()) == 1
    slots.clear()


@pytest.mark.integration
def test_engines_of_closed_loops_are_buried_by_one_of_several_threads():
    """Their users met a KeyError, or a dictionary that changed while it was read."""
    manager = DatabaseManager(DatabaseConfig(url="sqlite://"))
    engines = manager._engines._by_loop

    class Closed:
        def __init__(self, other):
            self.other = other

        def is_closed(self):
            for loop in (self, self.other):
                engines.pop(loop, None)
            return True

    last = Closed(None)
    engines.update({Closed(last): None, last: None})

    async def use():
        async with manager.session_scope() as session:
            await session.execute(text("SELECT 1"))
        await manager.close()

    asyncio.run(use())
    assert not engines
