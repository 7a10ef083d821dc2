"""What the pool promises when the network keeps nothing, on a real server behind a proxy."""

import asyncio
import contextlib
import time

import pytest
from sqlalchemy import exc, text

from koo.database import PoolExhausted, judge
from koo.errors import DatabaseUnavailable
from koo.resilience import BreakerConfig, PoolChanged
from koo.testing import Action, Direction, FaultProxy

from .undisturbed import undisturbed

pytestmark = pytest.mark.integration


@contextlib.asynccontextmanager
async def behind_a_proxy(server, driver):
    async with FaultProxy("127.0.0.1", server.port) as proxy:
        yield proxy, server.url(driver).replace(f":{server.port}/", f":{proxy.port}/")


async def ask(manager, seconds=0.0):
    async with manager.session_scope() as session:
        answer = (await session.execute(text("SELECT pg_backend_pid()"))).scalar_one()
        if seconds:
            await asyncio.sleep(seconds)
        return answer


async def timed(work):
    began = time.monotonic()
    with contextlib.suppress(Exception):
        await work
    return time.monotonic() - began


async def test_connections_lost_on_the_way_delay_but_hurt_nobody(postgres, driver, opened):
    async with (
        behind_a_proxy(postgres, driver) as (proxy, url),
        opened(url, pool_size=4, max_overflow=0) as manager,
    ):
        await asyncio.gather(*(ask(manager, 0.05) for _ in range(4)))
        last = proxy.traffic.accepted_total
        proxy.hook = lambda chunk: Action.DROP if chunk.connection <= last else Action.PASS
        await asyncio.sleep(1.1)
        began = time.monotonic()
        await asyncio.gather(*(ask(manager) for _ in range(4)))
        assert time.monotonic() - began < 20
        assert manager.stats().breaker.failures == 0


async def test_a_hot_connection_costs_no_round_trip_beyond_the_transactions_own(postgres, opened):
    async with (
        behind_a_proxy(postgres, "asyncpg") as (proxy, url),
        opened(url) as manager,
    ):
        for _ in range(3):
            await ask(manager)
        requests = []
        proxy.hook = lambda chunk: requests.append(chunk.direction) or Action.PASS

        async def sent_for_ten():
            requests.clear()
            for _ in range(10):
                await ask(manager)
            return requests.count(Direction.TO_SERVER)

        # Where the machine stood still for a second, the connection was not hot.
        assert 10 * 3 in [await sent_for_ten() for _ in range(5)], "BEGIN, the statement, COMMIT"


async def test_an_outage_is_told_at_once_and_over_soon_after_the_server_is_back(
    postgres, driver, opened
):
    async with (
        behind_a_proxy(postgres, driver) as (proxy, url),
        opened(url) as manager,
    ):
        await asyncio.gather(*(ask(manager, 0.05) for _ in range(5)))
        before, failed, ended = proxy.traffic.accepted_total, [], []

        async def call():
            began = time.monotonic()
            try:
                await ask(manager)
            except Exception as error:  # noqa: BLE001
                failed.append((time.monotonic() - began, error))
            else:
                ended.append(time.monotonic())

        proxy.resets_new = True
        proxy.reset_all()
        gone, calls = time.monotonic(), []
        for _ in range(200):
            calls.append(asyncio.create_task(call()))
            await asyncio.sleep(0.01)
        dials = proxy.traffic.accepted_total - before
        proxy.resets_new = False
        back = time.monotonic()
        while not any(moment > back for moment in ended):
            calls.append(asyncio.create_task(call()))
            await asyncio.sleep(0.01)
            assert time.monotonic() - back < 30
        await asyncio.gather(*calls)
        assert min(moment for moment in ended if moment > back) - back < 20
        # The longest back-off is 0.4 s, and on a slow machine the outage takes longer than 2 s.
        assert dials <= 12 + (back - gone) / 0.3
        times = sorted(seconds for seconds, _ in failed)
        assert times[len(times) // 2] < 1
        assert {type(error) for _, error in failed} <= {
            DatabaseUnavailable,
            exc.OperationalError,
            exc.InterfaceError,
            exc.DBAPIError,
        }
        assert {str(judge(error).kind) for _, error in failed} <= {"connection", "caller"}


@pytest.mark.parametrize("door", ["session_scope", "transact"])
async def test_of_an_outage_each_dial_that_a_caller_hears_of_counts_once_and_no_refusal_does(
    opened, door
):
    # So many that the circuit stays closed: what is refused here is refused by the pool.
    breaker = BreakerConfig(failure_threshold=1000)
    async with FaultProxy("127.0.0.1", 1) as proxy:
        proxy.resets_new = True
        url = f"postgresql://nobody@127.0.0.1:{proxy.port}/nowhere"
        async with opened(url, breaker=breaker) as manager:

            async def call():
                if door == "session_scope":
                    return await ask(manager)
                return await manager.transact(ask_with, max_retries=0)

            told = []
            while len(told) < 200 or proxy.traffic.accepted_total < 3:
                told += await asyncio.gather(*(call() for _ in range(5)), return_exceptions=True)
                await asyncio.sleep(0.005)
            refused = [one for one in told if isinstance(one, DatabaseUnavailable)]
            counted = manager.stats().breaker
            assert len(told) - len(refused) == proxy.traffic.accepted_total
            assert counted.failures == counted.outcomes == proxy.traffic.accepted_total
            assert {type(one.__cause__) for one in refused} == {type(None)}


# On a machine that stands still now a blip is no blip: more dials fail than were to.
@undisturbed
async def test_transactions_wait_out_a_blip(postgres, driver, opened):
    async with (
        behind_a_proxy(postgres, driver) as (proxy, url),
        opened(url) as manager,
    ):
        proxy.refuse()
        calls = [asyncio.create_task(manager.transact(ask_with)) for _ in range(10)]
        while manager.stats().breaker.failures < 2:
            await asyncio.sleep(0.005)
        await proxy.listen()
        told = await asyncio.gather(*calls, return_exceptions=True)
        assert [one for one in told if isinstance(one, Exception)] == []
        assert manager.stats().breaker.failures <= 3


async def test_a_transaction_that_must_not_be_retried_does_not_wait(postgres, opened):
    async with (
        behind_a_proxy(postgres, "asyncpg") as (proxy, url),
        opened(url) as manager,
    ):
        proxy.refuse()
        calls = [manager.transact(ask_with, max_retries=0) for _ in range(5)]
        began = time.monotonic()
        raised = await asyncio.gather(*calls, return_exceptions=True)
        assert time.monotonic() - began < 20
        kinds = [type(error) for error in raised]
        assert kinds.count(DatabaseUnavailable) == 4


async def test_what_another_database_refuses_is_not_waited_for(sqlite_url, opened):
    async with opened(sqlite_url) as manager:
        with pytest.raises(DatabaseUnavailable, match="another"):
            await manager.transact(refused_elsewhere)


async def ask_with(session):
    return await session.execute(text("SELECT 1"))


async def refused_elsewhere(session):
    raise DatabaseUnavailable("another database", 1.0)


async def test_one_killed_backend_of_twenty_costs_one_reconnect(postgres, driver, opened):
    async with opened(postgres.url(driver), pool_size=20) as manager:
        together = asyncio.Barrier(20)

        async def meet():
            async with manager.session_scope() as session:
                pid = (await session.execute(text("SELECT pg_backend_pid()"))).scalar_one()
                await together.wait()
                return pid

        pids = await asyncio.gather(*(meet() for _ in range(20)))
        opened_before = manager.stats().pool.created_total
        async with opened(postgres.url(driver)) as killer, killer.session_scope() as session:
            # It returns when the process is gone.
            await session.execute(text(f"SELECT pg_terminate_backend({pids[0]}, 20000)"))
        await asyncio.gather(*(ask(manager, 0.05) for _ in range(20)))
        assert manager.stats().pool.created_total - opened_before <= 1
        assert manager.stats().breaker.failures == 0


async def test_three_thousand_who_wait_for_ten_places_are_refused_at_once(postgres, opened):
    async with opened(postgres.url(), pool_size=10, max_overflow=0, max_waiting=10) as manager:
        release = asyncio.Event()

        async def hold():
            async with manager.engine.connect():
                await release.wait()

        holding = [asyncio.create_task(hold()) for _ in range(10)]
        while manager.stats().pool.active < 10:
            await asyncio.sleep(0.01)
        callers = [asyncio.create_task(hold()) for _ in range(3000)]
        await asyncio.sleep(0)
        refused = [caller for caller in callers if caller.done()]
        assert len(refused) == 2990
        assert {type(caller.exception()) for caller in refused} == {PoolExhausted}
        assert manager.stats().pool.refused_total == 2990
        release.set()
        await asyncio.wait([*holding, *callers])


async def test_a_drained_pool_leaves_no_backend_behind(postgres, driver, opened):
    async with opened(postgres.url(driver)) as manager, opened(postgres.url()) as other:
        pids = set(await asyncio.gather(*(ask(manager, 0.1) for _ in range(3))))
        working = asyncio.create_task(ask(manager, 0.3))
        stuck = asyncio.create_task(ask(manager, 30))
        while manager.stats().pool.active < 2:
            await asyncio.sleep(0.01)
        assert await manager.drain(2.0) == 1
        pids.add(await working)
        with pytest.raises(DatabaseUnavailable):
            await ask(manager)
        async with asyncio.timeout(20):
            while pids & await living(other):
                await asyncio.sleep(0.02)
        stuck.cancel()
        await asyncio.wait({stuck})
        manager.resume()
        assert await ask(manager) not in pids


async def living(manager):
    async with manager.session_scope() as session:
        return set((await session.execute(text("SELECT pid FROM pg_stat_activity"))).scalars())


async def test_a_pause_a_drain_and_their_end_are_told_once(url, opened):
    told = []
    async with opened(url, on_event=told.append) as manager:
        manager.pause()
        manager.pause()
        manager.resume()
        await manager.drain(1.0)
        manager.resume()
        manager.resume()
    assert [event for event in told if isinstance(event, PoolChanged)] == [
        PoolChanged("database", "open", "paused", "pause()"),
        PoolChanged("database", "paused", "open", "resume()"),
        PoolChanged("database", "open", "drained", "drain()"),
        PoolChanged("database", "drained", "open", "resume()"),
    ]


async def test_a_pool_can_be_paused_and_resized_while_it_works(url, opened):
    async with opened(url, pool_size=1, max_overflow=0) as manager:

        async def look():
            async with manager.session_scope() as session:
                await session.execute(text("SELECT 1"))
                await asyncio.sleep(0.05)

        await look()
        manager.pause()
        looks = [asyncio.create_task(look()) for _ in range(4)]
        async with asyncio.timeout(20):
            while manager.stats().pool.waiting < 4:
                await asyncio.sleep(0.01)
        assert manager.report().value("pool.paused") == 1
        assert manager.report().cause == "the pool is paused: resume() hands connections out again"
        manager.resize(pool_size=4, max_overflow=0)
        manager.resume()
        assert manager.report().value("pool.paused") == 0
        assert manager.report().cause is None
        await asyncio.gather(*looks)
        assert manager.stats().pool.size == 4
        with pytest.raises(ValueError, match="pool_size"):
            manager.resize(pool_size=0, max_overflow=0)
