"""One connection that somebody held turned an outage into an exhausted pool.

Whoever waited beside a loan was told PoolExhausted, though nearly all places were free and the
server was what let nobody in: the circuit never opened. And with one long loan nobody was refused
at once any more, though its server had gone: each waited out the whole limit of the line. On a
healthy server, everybody who went away while a connection was made for them counted likewise.

So did a loan that waited for an answer on a connection that had gone dark with the server: all
waited for it, and none was refused, for as long as a statement may take.
"""

import asyncio

import pytest
from sqlalchemy import exc, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.util import greenlet_spawn

from koo.database import DatabaseConfig, DatabaseManager, PoolExhausted
from koo.database.pool import NEVER, slot_of
from koo.errors import DatabaseUnavailable, DeadlineExceeded
from koo.resilience import Policy
from koo.testing import FaultProxy, running_clock

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


class TooMany(Exception):
    sqlstate = "53300"


async def asks(home, lent, seconds):
    """The statement that is on its way by *lent* has had no answer for *seconds*."""
    slot_of(lent).asked = home.clock.monotonic()
    await asyncio.sleep(seconds)


async def test_a_loan_whose_server_is_silent_is_nothing_to_wait_for(house):
    home = house()
    async with home.lent() as lent:
        await asks(home, lent, 1.0)
        home.server.error = ConnectionRefusedError()
        began = home.clock.monotonic()
        with pytest.raises(ConnectionRefusedError):
            await home.use()
        with pytest.raises(DatabaseUnavailable):
            await home.use()
        assert home.clock.monotonic() - began < 0.2


async def test_who_waits_for_a_loan_hears_of_the_server_soon_after_that_has_fallen_silent(house):
    home = house()
    async with home.lent() as lent:
        await asks(home, lent, 0.0)
        home.server.error = ConnectionRefusedError()
        with pytest.raises(ConnectionRefusedError):
            await home.use()
    assert 1.0 <= home.clock.monotonic() < 2.0


async def test_a_loan_whose_answer_may_still_come_is_waited_for(house):
    home = house()
    lent = await home.borrow()
    await asks(home, lent, 0.5)
    home.server.error = ConnectionRefusedError()
    visit = asyncio.create_task(home.use())
    await asyncio.sleep(0.3)
    slot_of(lent).asked, slot_of(lent).heard = NEVER, home.clock.monotonic()
    await greenlet_spawn(lent.close)
    await visit


async def test_a_server_that_says_why_it_lets_nobody_in_may_take_its_time_for_who_is_in(house):
    home = house()
    lent = await home.borrow()
    await asks(home, lent, 1.0)
    home.server.error = TooMany()
    visit = asyncio.create_task(home.use())
    await asyncio.sleep(3.0)
    slot_of(lent).asked, slot_of(lent).heard = NEVER, home.clock.monotonic()
    await greenlet_spawn(lent.close)
    await visit


@pytest.mark.integration
@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_a_server_that_goes_in_the_middle_of_a_statement_hides_behind_nobody(server, driver):
    async with FaultProxy("127.0.0.1", server.port) as proxy:
        url = server.url(driver, port=proxy.port)
        manager = DatabaseManager(DatabaseConfig(url=url))

        async def ask(statement):
            async with manager.session_scope() as session:
                await session.execute(text(statement))

        try:
            await ask("SELECT 1")
            busy = asyncio.create_task(ask("SELECT pg_sleep(100)"))
            (slot,) = manager.engine.sync_engine.pool.keeper.slots
            now = asyncio.get_running_loop().time
            async with asyncio.timeout(20):
                while now() - slot.asked < 1.0:
                    await asyncio.sleep(0.01)
            proxy.is_silent = True
            proxy.refuse()
            with pytest.raises(exc.OperationalError):
                await asyncio.wait_for(ask("SELECT 1"), 20)
            assert manager.stats().breaker.failures == 1
            proxy.reset_all()
            with pytest.raises(exc.DBAPIError):
                await busy
        finally:
            await manager.close()


async def stream(session):
    async for _ in await session.stream(text("SELECT 2")):
        pass


@pytest.mark.integration
@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
@pytest.mark.parametrize("say", [stream, AsyncSession.commit, AsyncSession.rollback])
async def test_whatever_is_on_its_way_is_waited_for(server, driver, say):
    async with FaultProxy("127.0.0.1", server.port) as proxy:
        manager = DatabaseManager(DatabaseConfig(url=server.url(driver, port=proxy.port)))
        seen = []
        try:
            async with manager.session_scope() as session:
                await session.execute(text("SELECT 1"))
                (slot,) = manager.engine.sync_engine.pool.keeper.slots
                proxy.witness = lambda _: seen.append(slot.asked)
                await say(session)
                proxy.witness = None
                assert seen
                assert NEVER not in seen
                assert slot.asked == NEVER
        finally:
            await manager.close()
