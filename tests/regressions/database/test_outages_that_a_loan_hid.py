"""One connection that somebody held turned an outage into an exhausted pool.

Whoever waited beside a loan was told PoolExhausted, though nearly all places were free and the
server was what let nobody in: the circuit never opened. And with one long loan nobody was refused
at once any more, though its server had gone: each waited out the whole limit of the line. On a
healthy server, everybody who went away while a connection was made for them counted likewise.
"""

import asyncio

import pytest
from sqlalchemy import exc
from sqlalchemy.util import greenlet_spawn

from koo.database import PoolExhausted
from koo.errors import DatabaseUnavailable, DeadlineExceeded
from koo.resilience import Policy
from koo.testing import running_clock

from ...database.pool.conftest import house

__all__ = ["house"]


def late(seconds):
    """A policy whose calls may take *seconds*."""
    return Policy("orders", timeout=seconds, clock=running_clock())


async def test_who_is_late_beside_a_loan_is_late_because_of_a_server_that_lets_nobody_in(house):
    home = house(pool_size=10, max_overflow=20)
    policy = late(1.0)
    async with home.lent():
        home.server.connect_time = 100.0
        for _ in range(3):
            with pytest.raises(DeadlineExceeded):
                await policy.run(home.use)
    assert home.stats().timeouts_total == 0
    assert policy.stats().failures_total == 3


async def test_so_is_who_waits_for_the_last_place(house):
    home = house(pool_size=2, max_overflow=0)
    async with home.lent():
        home.server.connect_time = 100.0
        with pytest.raises(DeadlineExceeded):
            await late(1.0).run(home.use)
    assert home.stats().timeouts_total == 0


async def test_who_waits_in_vain_for_a_silent_server_beside_a_loan_hears_of_the_server(house):
    home = house(pool_size=2, max_overflow=0, pool_timeout=1.0, check_timeout=5.0)
    async with home.lent():
        home.server.connect_time = 100.0
        with pytest.raises(exc.OperationalError, match="no connection in 1 s"):
            await home.use()
    assert home.stats().timeouts_total == 0


async def test_who_goes_away_while_a_connection_is_made_has_exhausted_nothing(house):
    home = house(pool_size=2, max_overflow=28)
    async with home.lent():
        for _ in range(20):
            visit = asyncio.create_task(home.use())
            await asyncio.sleep(0.01)
            visit.cancel()
            await asyncio.wait({visit})
    assert home.stats().timeouts_total == 0


async def test_a_dial_that_began_a_moment_ago_does_not_excuse_those_who_hold_the_rest(house):
    home = house(pool_size=2, max_overflow=0)
    async with home.lent():
        lent = await home.borrow()
        visit = asyncio.create_task(late(1.0).run(home.use))
        await asyncio.sleep(0.9)
        await greenlet_spawn(lent.invalidate)
        await asyncio.sleep(0.05)
        assert home.places.dialing == 1
        with pytest.raises(PoolExhausted, match="1 in use"):
            await visit
    assert home.stats().timeouts_total == 1


async def test_all_who_waited_for_the_same_failed_dial_hear_of_the_server(house):
    home = house(pool_size=10, pool_timeout=1.0)
    async with home.lent():
        home.server.error = ConnectionRefusedError()
        visits = [asyncio.create_task(home.use()) for _ in range(4)]
        await asyncio.wait(visits)
    first, *others = [visit.exception() for visit in visits]
    assert first is home.server.error
    assert {type(error) for error in others} == {DatabaseUnavailable}
    assert home.stats().timeouts_total == 0


async def test_a_loan_whose_socket_was_closed_is_nothing_to_wait_for(house):
    home = house()
    async with home.lent() as lent:
        home.server.error = ConnectionRefusedError()
        home.server.kill(lent.dbapi_connection)
        began = home.clock.monotonic()
        with pytest.raises(ConnectionRefusedError):
            await home.use()
        with pytest.raises(DatabaseUnavailable):
            await home.use()
        assert home.clock.monotonic() - began < 0.2


async def test_a_loan_that_has_outlasted_every_wait_is_nothing_to_wait_for(house):
    home = house(pool_timeout=2.0)
    async with home.lent():
        await asyncio.sleep(2.0)
        home.server.error = ConnectionRefusedError()
        with pytest.raises(ConnectionRefusedError):
            await home.use()
        with pytest.raises(DatabaseUnavailable):
            await home.use()
        assert home.clock.monotonic() < 2.5


async def test_a_loan_that_may_come_back_is_waited_for(house):
    home = house(pool_timeout=2.0)
    holding = asyncio.create_task(home.use(1.0))
    await asyncio.sleep(0.2)
    home.server.error = ConnectionRefusedError()
    await home.use()
    await holding
    assert home.clock.monotonic() >= 1.0


async def test_so_it_is_by_who_comes_when_the_server_is_known_to_let_nobody_in(house):
    home = house(pool_timeout=2.0)
    async with home.lent():
        await asyncio.sleep(2.0)
        home.server.error = ConnectionRefusedError()
        with pytest.raises(ConnectionRefusedError):
            await home.use()
    holding = asyncio.create_task(home.use(1.0))
    await asyncio.sleep(0.01)
    await home.use()
    await holding
    assert home.clock.monotonic() >= 3.0
