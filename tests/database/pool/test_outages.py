"""Callers while the server cannot be dialed."""

import asyncio

import pytest
from sqlalchemy import exc
from sqlalchemy.util import greenlet_spawn

from koo.errors import DatabaseUnavailable


async def test_a_server_that_is_down_gives_one_its_error_and_refuses_the_others(house):
    home = house(pool_size=1)
    home.server.error = ConnectionRefusedError()
    visits = [asyncio.create_task(home.use()) for _ in range(5)]
    await asyncio.wait(visits)
    first, *others = [visit.exception() for visit in visits]
    assert first is home.server.error
    assert {type(error) for error in others} == {DatabaseUnavailable}
    assert str(others[0]) == (
        "database: database unavailable (the server cannot be reached); try again in 0.1 s"
    )
    home.assert_whole()


async def test_a_server_that_is_down_is_not_dialed_before_the_back_off_is_over(house):
    home = house()
    home.server.connect_time, home.server.error = 0.001, ConnectionRefusedError()
    refused = []
    for _ in range(300):
        try:
            await home.use()
        except DatabaseUnavailable:
            refused.append(home.clock.monotonic())
        except ConnectionRefusedError:
            pass
        await asyncio.sleep(0.01)
    assert len(refused) > 280
    assert home.server.dials <= 12
    home.server.error = None
    began = home.clock.monotonic()
    while True:
        try:
            await home.use()
            break
        except DatabaseUnavailable:
            await asyncio.sleep(0.01)
    assert home.clock.monotonic() - began < 0.5
    home.assert_whole()


async def test_a_server_known_to_be_back_is_dialed_at_once(house):
    home = house()
    home.server.error = ConnectionRefusedError()
    with pytest.raises(ConnectionRefusedError):
        await home.use()
    home.server.error = None
    with pytest.raises(DatabaseUnavailable):
        await home.use()
    home.keeper.growth.forgive()
    await home.use()


async def test_while_one_tries_the_others_are_refused(house):
    home = house()
    home.server.error = ConnectionRefusedError()
    with pytest.raises(ConnectionRefusedError):
        await home.use()
    await asyncio.sleep(0.1)
    trying = asyncio.create_task(home.use())
    await asyncio.sleep(0.01)
    with pytest.raises(DatabaseUnavailable):
        await home.use()
    with pytest.raises(ConnectionRefusedError):
        await trying


async def test_a_failed_dial_wakes_whoever_waits_behind_it(house):
    home = house(pool_size=1, max_overflow=1)
    lent = await home.borrow()
    home.server.error = OSError("a blip")
    waiting = asyncio.create_task(home.use())
    await asyncio.sleep(0.16)
    home.server.error = None
    await waiting
    assert home.clock.monotonic() < 0.8
    await greenlet_spawn(lent.close)
    home.assert_whole()


async def test_who_waits_in_vain_while_the_server_admits_nobody_gets_its_error(house):
    home = house(pool_size=1, max_overflow=1, pool_timeout=1.0)
    lent = await home.borrow()
    home.server.error = OSError("too many clients")
    visits = [asyncio.create_task(home.use()) for _ in range(2)]
    await asyncio.wait(visits)
    assert visits[0].exception() is home.server.error
    assert isinstance(visits[1].exception(), DatabaseUnavailable)
    await greenlet_spawn(lent.close)


async def test_several_dials_that_fail_disappoint_one_each(house):
    home = house(pool_size=2)
    home.server.error = ConnectionRefusedError()
    home.keeper.growth.is_in_doubt = False
    visits = [asyncio.create_task(home.use()) for _ in range(4)]
    await asyncio.sleep(0)
    visits[0].cancel()
    await asyncio.wait(visits)
    raised = [type(visit.exception()).__name__ for visit in visits[1:]]
    assert raised == ["ConnectionRefusedError"] * 2 + ["DatabaseUnavailable"]
    home.assert_whole()


async def test_preparing_a_connection_is_bounded_too(house):
    home = house(check_timeout=0.5)
    home.server.connect_time = 100.0
    with pytest.raises(exc.OperationalError, match="no connection in 1 s"):
        await home.use()
    home.assert_whole()


async def test_who_has_gone_in_the_same_instant_is_not_the_one_who_hears_of_it(house):
    home = house()
    home.server.connect_time = 100.0
    gone, there = (asyncio.create_task(home.use()) for _ in range(2))
    await asyncio.sleep(0)
    error = ConnectionRefusedError()
    next(iter(home.places.line)).answer.cancel()
    home.places.dialing -= 1
    home.keeper.queue.disappoint(error, home.clock.monotonic())
    home.places.dialing += 1
    await asyncio.wait({gone, there})
    assert gone.cancelled()
    assert there.exception() is error


async def test_who_is_cancelled_with_an_error_in_hand_is_cancelled(house):
    home = house()
    home.server.error = ConnectionRefusedError()
    visit = asyncio.create_task(home.use())
    disappoint = home.keeper.queue.disappoint

    def and_cancel(error, now):
        disappoint(error, now)
        visit.cancel()

    home.keeper.queue.disappoint = and_cancel
    await asyncio.wait({visit})
    assert visit.cancelled()
    home.assert_whole()


async def test_a_connection_that_its_driver_disowns_at_once_is_a_failed_dial(house, monkeypatch):
    home = house()

    def disown(_):
        raise ValueError("the connection is closed")

    with monkeypatch.context() as patch:
        patch.setattr("koo.database.pool.slots.alarm_of", disown)
        with pytest.raises(exc.OperationalError, match="the connection is closed"):
            await home.use()
    home.assert_whole()
    home.keeper.growth.forgive()
    await home.use()
    home.assert_whole()


async def untold(home):
    """A dial has failed behind a connection that was there, and now that one is gone too."""
    lent = await home.borrow()
    home.server.error = ConnectionRefusedError()
    home.keeper.dial("demand")
    await asyncio.sleep(home.server.connect_time + 0.01)
    home.server.kill(lent.dbapi_connection)
    await greenlet_spawn(lent.invalidate)
    await asyncio.sleep(0)
    assert (home.places.usable, home.keeper.growth.failures) == (0, 1)


async def test_what_nobody_has_heard_of_refuses_nobody(house):
    home = house()
    await untold(home)
    home.server.error = None
    await asyncio.gather(*(home.use() for _ in range(5)))
    await asyncio.sleep(1)
    home.assert_whole()


async def test_the_first_dial_that_fails_before_somebodys_eyes_is_told_and_refuses(house):
    home = house()
    await untold(home)
    with pytest.raises(ConnectionRefusedError):
        await home.use()
    with pytest.raises(DatabaseUnavailable):
        await home.use()


async def test_who_waited_in_vain_has_heard_of_the_failed_dial(house):
    home = house(pool_size=1, max_overflow=1, pool_timeout=0.3)
    lent = await home.borrow()
    home.server.error = ConnectionRefusedError()
    with pytest.raises(ConnectionRefusedError):
        await home.use()
    await greenlet_spawn(lent.invalidate)
    await asyncio.sleep(0)
    with pytest.raises(DatabaseUnavailable):
        await home.use()


async def test_an_outage_that_was_forgiven_is_not_known_any_more(house):
    home = house()
    home.server.error = ConnectionRefusedError()
    with pytest.raises(ConnectionRefusedError):
        await home.use()
    home.keeper.growth.forgive()
    home.keeper.dial("demand")
    await asyncio.sleep(home.server.connect_time + 0.01)
    home.server.error = None
    await home.use()
