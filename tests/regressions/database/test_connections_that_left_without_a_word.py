"""Connections left the pool, and no event told of it: collected, detached, torn off by `close()`.

Beside it: one that a smaller pool had given up was closed although the pool had become large again,
and a beat that failed, of a clock or a chance of the user's, was the last. And what the pool had
torn off itself was told twice, the second time as if its server were to blame.
"""

import asyncio

import pytest
from sqlalchemy.util import greenlet_spawn

from koo.database import DatabaseConfig, DatabaseManager
from koo.database.pool import ending

from ...database.pool.conftest import house

__all__ = ["house"]

FORGOTTEN = "it was detached, or forgotten"


async def test_a_detached_connection_is_told(house):
    home = house()
    lent = await home.borrow()
    lent.detach()
    await asyncio.sleep(0.1)
    assert (home.told("opened"), home.told("closed")) == (["demand"], [FORGOTTEN])
    await greenlet_spawn(lent.close)


async def test_a_detached_connection_of_a_drained_pool_is_told_once_and_why(house):
    home = house()
    lent = await home.borrow()
    home.keeper.condemn_all("the pool was drained")
    lent.detach()
    await asyncio.sleep(0.1)
    assert home.told("closed") == ["the pool was drained"]
    await greenlet_spawn(lent.close)


async def test_an_invalidated_connection_is_told_as_such_and_only_once(house):
    home = house()
    lent = await home.borrow()
    await greenlet_spawn(lent.invalidate)
    await asyncio.sleep(0.1)
    assert (home.told("invalidated"), home.told("closed")) == (["by hand"], [])


def left(home):
    """How many connections have left, as the events tell."""
    words = ("closed", "invalidated", "reclaimed", "aborted")
    return sum(len(home.told(word)) for word in words)


@pytest.mark.parametrize("end", ["close", "invalidate"])
async def test_a_reclaimed_connection_is_told_only_once_and_blames_no_server(house, end):
    home = house(reclaim_after=2.0)
    lent = await home.borrow()
    await asyncio.sleep(4)
    await greenlet_spawn(getattr(lent, end))
    await asyncio.sleep(0.1)
    assert home.told("reclaimed") == ["it was held for too long"]
    assert left(home) == home.stats().closed_total == 1
    assert not home.keeper.growth.is_in_doubt


@pytest.mark.parametrize("end", ["close", "invalidate"])
async def test_a_connection_that_a_drain_tore_off_is_told_only_once(house, end):
    home = house()
    lent = await home.borrow()
    assert await ending.drain(home.keeper, 1.0) == 1
    await greenlet_spawn(getattr(lent, end))
    await asyncio.sleep(0.1)
    assert len(home.told("aborted")) == 1
    assert left(home) == home.stats().closed_total == 1


async def test_what_is_torn_off_at_the_end_is_told(house):
    home = house()
    lent = await home.borrow()
    ending.tear_off(home.keeper)
    assert home.told("closed") == ["the pool was closed"]
    await greenlet_spawn(lent.close)


async def test_a_pool_that_is_large_again_keeps_what_is_lent(house):
    home = house(pool_size=3, max_overflow=0)
    await home.warm(3)
    lent = [await home.borrow() for _ in range(3)]
    ending.resize(home.keeper, 1, 0)
    ending.resize(home.keeper, 3, 0)
    for connection in lent:
        await greenlet_spawn(connection.close)
    await asyncio.sleep(0.5)
    assert (home.keeper.total, home.server.dials, home.told("closed")) == (3, 3, [])
    home.assert_whole()


async def test_a_pool_that_is_a_little_larger_again_keeps_as_many_more(house):
    home = house(pool_size=3, max_overflow=0)
    await home.warm(3)
    lent = [await home.borrow() for _ in range(3)]
    ending.resize(home.keeper, 1, 0)
    ending.resize(home.keeper, 2, 0)
    for connection in lent:
        await greenlet_spawn(connection.close)
    await asyncio.sleep(0.5)
    assert home.keeper.total == 2
    home.assert_whole()


async def test_a_beat_that_fails_is_not_the_last(house, monkeypatch):
    home = house(leak_after=5.0)
    loop, failed = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda _, context: failed.append(context["exception"]))
    now = home.keeper.terms.clock.monotonic
    async with home.lent():
        with monkeypatch.context() as patch:
            patch.setattr(home.keeper.growth, "kept", None)
            await asyncio.sleep(1.5)
        assert {type(error) for error in failed} == {TypeError}
        await asyncio.sleep(7)
        assert len(home.told("leaked")) == 1
    assert now() > 8


@pytest.mark.parametrize("seconds", ["soon", -1.0, float("nan"), 10**400, True])
async def test_a_drain_for_no_time_is_refused_before_the_pool_is_drained(seconds):
    manager = DatabaseManager(DatabaseConfig(url="sqlite://"))
    with pytest.raises(ValueError, match="drain waits for 0 or more seconds"):
        await manager.drain(seconds)
    async with manager.session_scope():
        assert not manager.stats().pool.paused
    await manager.close()
