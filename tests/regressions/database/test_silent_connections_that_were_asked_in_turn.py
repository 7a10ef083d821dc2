"""With twenty idle connections gone silent, the outage of their server took seconds to tell.

They were asked one after the other, each with the patience of a ping, while whatever was dialed
was refused: the first caller waited for all of them, and the others were kept waiting beside it.
"""

import asyncio

import pytest

from koo.errors import DatabaseUnavailable

from ...database.pool.conftest import house

__all__ = ["house"]


async def gone_silent(house, number):
    """A pool of so many idle connections whose server is not there any more."""
    home = house(pool_size=number)
    home.server.connect_time = 0.001
    await home.warm(number)
    await asyncio.sleep(2)
    home.server.silent, home.server.error = True, ConnectionRefusedError()
    return home


async def test_an_outage_is_told_as_soon_with_many_idle_connections_as_with_few(house):
    home = await gone_silent(house, 20)
    began = home.clock.monotonic()
    with pytest.raises(ConnectionRefusedError):
        await home.use()
    with pytest.raises(DatabaseUnavailable):
        await home.use()
    assert home.clock.monotonic() - began < 1.0
    assert home.server.pings == 20
    await asyncio.sleep(0)
    home.assert_whole()


async def test_what_is_closed_meanwhile_is_not_asked(house):
    home = await gone_silent(house, 3)
    visit = asyncio.create_task(home.use())
    await asyncio.sleep(0.1)
    home.server.kill(home.places.idle[0].connection)
    with pytest.raises(ConnectionRefusedError):
        await visit
    assert home.server.pings == 2
    await asyncio.sleep(0)
    home.assert_whole()


async def test_one_of_them_that_answers_serves_who_waits(house):
    home = await gone_silent(house, 3)
    visit = asyncio.create_task(home.use())
    await asyncio.sleep(0.1)
    home.server.silent = False
    assert await visit in home.server.open
    await asyncio.sleep(0)
    home.assert_whole()


async def test_nobody_is_asked_where_nobody_waits(house):
    home = await gone_silent(house, 3)
    home.keeper.dial("tried out")
    await asyncio.sleep(0.1)
    assert (home.server.dials, home.server.pings) == (4, 0)
