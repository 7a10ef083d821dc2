"""A server that dies, hangs, comes back."""

import asyncio
import re
import time

import pytest
from sqlalchemy import exc, text

from koo import errors
from koo.database import DatabaseConfig, DatabaseManager, judge
from koo.resilience import (
    ONE_REQUEST,
    SYSTEM_CLOCK,
    BreakerConfig,
    Failure,
    Health,
    HealthChecked,
    State,
    StateChanged,
)

pytestmark = pytest.mark.integration

RECOVERY = BreakerConfig(recovery_timeout=30)


async def ask(manager, together=None):
    async with manager.session_scope() as session:
        found = (await session.execute(text("SELECT 1"))).scalar_one()
        if together is not None:
            await together.wait()
        return found


async def until(condition):
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.02)


async def load(manager, seen):
    while True:
        began = time.monotonic()
        try:
            await ask(manager)
        except Exception as error:  # noqa: BLE001
            seen.append((type(error), judge(error).kind, time.monotonic() - began))
        await asyncio.sleep(0.02)


async def test_a_killed_server_opens_the_circuit_and_its_return_closes_it(victim, driver, opened):
    events, seen = [], []
    async with opened(victim.url(driver), breaker=RECOVERY, on_event=events.append) as manager:
        await ask(manager)
        workers = [asyncio.create_task(load(manager, seen)) for _ in range(20)]
        await asyncio.sleep(0.5)
        assert seen == []
        await asyncio.to_thread(victim.kill)
        await until(lambda: manager.report().state is Health.CIRCUIT_OPEN)
        with pytest.raises(
            errors.DatabaseUnavailable, match="^database: .* try again in"
        ) as caught:
            await ask(manager)
        assert isinstance(caught.value.__cause__, errors.CircuitOpen)
        assert 0 < caught.value.retry_after <= 33
        with pytest.raises(errors.DatabaseUnavailable):
            await manager.transact(ask)
        report = manager.report()
        # On a slow machine those whose statements were cut off are enough to open it.
        assert re.search("the server cannot be reached|the connection broke", report.cause)
        assert report.next_try > 0
        await asyncio.to_thread(victim.start)
        await until(lambda: manager.report().state is Health.HEALTHY)
        for worker in workers:
            worker.cancel()
        await asyncio.wait(workers)
        assert max(seconds for *_, seconds in seen) < 20
        assert {kind for _, kind, _ in seen} <= {"connection", "caller", "commit_unknown"}
        changes = [event.after for event in events if isinstance(event, StateChanged)]
        assert changes == [State.OPEN, State.HALF_OPEN, State.CLOSED]
        assert [e.ok for e in events if isinstance(e, HealthChecked)] == [False, True]
        assert manager.stats().pool.active == 0


async def test_an_idle_application_heals_by_itself_too(victim, opened):
    async with opened(victim.url(), breaker=BreakerConfig(failure_threshold=2)) as manager:
        await asyncio.to_thread(victim.kill)
        for _ in range(2):
            with pytest.raises(exc.OperationalError):
                await ask(manager)
            await asyncio.sleep(0.1)
        assert manager.report().state is Health.CIRCUIT_OPEN
        await asyncio.to_thread(victim.start)
        await until(lambda: manager.report().state is Health.HEALTHY)


async def test_a_refused_connection_fails_at_once_and_is_sqlalchemys(victim, driver, opened):
    async with opened(victim.url(driver)) as manager:
        await asyncio.to_thread(victim.kill)
        began = time.monotonic()
        with pytest.raises(exc.OperationalError):
            await ask(manager)
        report = await manager.check()
        assert time.monotonic() - began < 20
        assert report.state is Health.UNHEALTHY
        assert report.cause.endswith("the server cannot be reached")
        assert report.check.response_time is None


async def test_a_call_that_succeeds_after_a_failed_check_makes_it_healthy_again(victim, opened):
    async with opened(victim.url()) as manager:
        await asyncio.to_thread(victim.kill)
        assert (await manager.check()).state is Health.UNHEALTHY
        await asyncio.to_thread(victim.start)
        await ask(manager)
        report = manager.report()
        assert (report.state, report.check.ok, report.check.success_since) == (
            Health.HEALTHY,
            False,
            True,
        )


async def test_dead_idle_connections_are_replaced_before_anyone_gets_one(victim, driver, opened):
    async with opened(victim.url(driver), pool_size=5) as manager:
        together = asyncio.Barrier(5)
        # All five are there at once, so none is still being dialed when the server goes.
        await asyncio.gather(*(ask(manager, together) for _ in range(5)))
        victim.restart()  # while the loop stands still, so that nobody dials in between
        for _ in range(5):
            assert await ask(manager) == 1
        assert manager.stats().breaker.failures == 0


async def test_one_killed_backend_costs_one_connection(postgres, driver, opened):
    async with opened(postgres.url(driver), pool_size=5) as manager:
        together = asyncio.Barrier(5)

        async def pid():
            async with manager.session_scope() as session:
                found = (await session.execute(text("SELECT pg_backend_pid()"))).scalar_one()
                await together.wait()
                return found

        pids = await asyncio.gather(*(pid() for _ in range(5)))
        assert len(set(pids)) == 5
        with pytest.raises(exc.DBAPIError) as caught:
            async with manager.session_scope() as session:
                await session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        assert judge(caught.value).kind == "connection"
        again = await asyncio.gather(*(pid() for _ in range(5)))
        assert len(set(again) & set(pids)) == 4
        assert manager.stats().pool.invalidated_total == 1


async def test_a_check_of_a_frozen_server_ends_in_time(victim, opened):
    async with opened(victim.url(), check_timeout=1) as manager:
        await ask(manager)
        await asyncio.to_thread(victim.freeze)
        try:
            began = time.monotonic()
            first, second = await asyncio.gather(manager.check(), manager.check())
            assert time.monotonic() - began < 20
            assert first.check == second.check
            assert first.check.error == "TimeoutError: no answer in time"
            with pytest.raises(exc.OperationalError, match="no connection in 1 s"):
                await ask(manager)
        finally:
            await asyncio.to_thread(victim.thaw)


async def test_an_exhausted_pool_does_not_fail_the_check(postgres, opened):
    async with opened(postgres.url(), pool_size=1, max_overflow=0) as manager:
        async with manager.session_scope() as session:
            await session.execute(text("SELECT 1"))
            report = await manager.check()
        assert (report.state, report.check.ok) == (Health.HEALTHY, True)


async def test_a_reset_closes_the_circuit_and_forgets_the_errors(victim, opened):
    async with opened(victim.url(), breaker=BreakerConfig(failure_threshold=1)) as manager:
        await asyncio.to_thread(victim.kill)
        with pytest.raises(exc.OperationalError):
            await ask(manager)
        await manager.check()
        assert manager.report().state is Health.CIRCUIT_OPEN
        assert manager.stats().failure_rate == 1.0
        manager.reset()
        stats = manager.stats()
        assert (stats.errors, stats.failure_rate, stats.check) == ((), None, None)
        assert manager.report().state is Health.HEALTHY


async def test_half_opening_by_hand_ends_the_wait_and_the_next_call_probes(sqlite_url, opened):
    breaker = BreakerConfig(recovery_timeout=60, success_threshold=1)
    async with opened(sqlite_url, breaker=breaker) as manager:
        manager.half_open()
        assert manager.report().state is Health.HEALTHY
        manager.breaker.open_until(60, "tried")
        manager.half_open()
        assert manager.report().state is Health.DEGRADED
        await ask(manager)
        assert manager.report().state is Health.HEALTHY


async def test_health_is_asked_at_intervals_once_started(postgres, opened):
    async with opened(postgres.url(), check_interval=0.05) as manager:
        manager.start()
        manager.start()
        await until(lambda: manager.report().check is not None)
        first = manager.report().check.at
        await until(lambda: manager.report().check.at > first)


async def test_calls_that_fail_say_how_many_before_the_circuit_opens(sqlite_url, opened):
    async with opened(sqlite_url) as manager:
        for _ in range(3):
            permit = manager.breaker.admit(ONE_REQUEST)
            permit.settle(Failure(retryable=True, trips=True, cause="no answer"))
        report = manager.report()
        assert (report.state, report.cause) == (
            Health.UNHEALTHY,
            "3 of the last 3 attempts failed",
        )


class Hurried(type(SYSTEM_CLOCK)):
    """The machine's clock, which a test may put forward."""

    ahead = 0.0

    def monotonic(self):
        return super().monotonic() + self.ahead


async def test_a_session_held_for_long_costs_a_half_open_circuit_one_probe_and_no_more(sqlite_url):
    clock = Hurried()
    breaker = BreakerConfig(recovery_timeout=60, success_threshold=2)
    manager = DatabaseManager(DatabaseConfig(url=sqlite_url, breaker=breaker), clock=clock)
    try:
        manager.breaker.open_until(60, "tried")
        manager.half_open()
        async with manager.session_scope() as held:
            await held.execute(text("SELECT 1"))
            with pytest.raises(errors.DatabaseUnavailable):
                await ask(manager)
            clock.ahead += manager.config.attempt_timeout
            assert await ask(manager) == 1
            assert manager.report().state is Health.DEGRADED
        assert manager.report().state is Health.HEALTHY
        assert manager.stats().pool.active == 0
    finally:
        await manager.close()
