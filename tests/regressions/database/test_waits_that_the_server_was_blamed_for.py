"""Who waited in vain for a connection that others held was told, and counted, something else.

By the documented defaults an exhausted pool opened the circuit of a healthy server: the limits of
the line and of the attempt are the same, and the attempt's came first. So did a dial that had
failed long ago, whose error was kept for whoever waited in vain next. And who left the line by a
deadline of its own, or of the whole call, was counted nowhere. Who stood in line once more, after
a COMMIT or a ROLLBACK of its own, was a slow transaction, which trips, or was told that nothing had
been done.
"""

import asyncio
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text
from sqlalchemy.util import greenlet_spawn

from koo.database import DatabaseConfig, DatabaseManager, PoolExhausted
from koo.database.pool import ending
from koo.errors import DeadlineExceeded
from koo.resilience import Backoff, Policy, RetryConfig
from koo.testing import running_clock

from ...database.pool.conftest import house
from ...database.undisturbed import undisturbed

__all__ = ["house"]

DONE = "database: it was not repeated: some of it was committed, or may have been"
QUICK = RetryConfig(max_retries=2, backoff=Backoff(base_delay=0.001, max_delay=0.01))


@asynccontextmanager
async def exhausted(tmp_path, **config):
    """A manager whose only connection is lent until the block ends."""
    url = f"sqlite:///{tmp_path}/app.db"
    config = DatabaseConfig(url=url, pool_size=1, max_overflow=0, retry=QUICK, **config)
    manager = DatabaseManager(config)
    try:
        async with manager.session_scope() as session:
            await session.execute(text("SELECT 1"))
            yield manager
    finally:
        await manager.close()


async def by(door, manager):
    if door == "transact":
        return await manager.transact(ask)
    async with manager.session_scope() as session:
        return await ask(session)


async def ask(session):
    return (await session.execute(text("SELECT 1"))).scalar_one()


def blamed(manager):
    """What an exhausted pool has told of itself, and what of the server."""
    stats = manager.stats()
    return stats.pool.timeouts_total, stats.errors, stats.breaker.outcomes


@pytest.mark.integration
@pytest.mark.parametrize("attempt_timeout", [0.05, 0.2, 5.0])
@undisturbed
async def test_an_attempt_that_stands_in_line_has_not_begun(tmp_path, attempt_timeout):
    limits = {"pool_timeout": 0.2, "attempt_timeout": attempt_timeout}
    async with exhausted(tmp_path, **limits) as manager:
        for _ in range(5):
            with pytest.raises(PoolExhausted, match="1 in use"):
                await manager.transact(ask)
        assert blamed(manager) == (5, (("pool_exhausted", 5),), 0)


@pytest.mark.integration
@undisturbed
async def test_a_call_whose_time_is_over_in_line_is_told_who_holds_the_connections(tmp_path):
    async with exhausted(tmp_path, timeout=0.1, attempt_timeout=0.1) as manager:
        for _ in range(5):
            with pytest.raises(PoolExhausted, match="1 in use.*none came back in 0"):
                await manager.transact(ask)
        assert blamed(manager) == (5, (("pool_exhausted", 5),), 0)


@pytest.mark.integration
@pytest.mark.parametrize("door", ["scope", "transact"])
@undisturbed
async def test_a_deadline_of_the_callers_own_is_counted_and_its_cause_named(tmp_path, door):
    async with exhausted(tmp_path) as manager:
        with pytest.raises(TimeoutError) as raised:
            await asyncio.wait_for(by(door, manager), 0.05)
        assert isinstance(raised.value.__cause__.__cause__, PoolExhausted)
        pool = manager.stats().pool
        assert blamed(manager) == (1, (("pool_exhausted", 1),), 0)
        assert (pool.wait_time.count, pool.checkouts_total) == (2, 1)


@pytest.mark.integration
async def test_a_cancellation_in_line_stays_one(tmp_path):
    async with exhausted(tmp_path) as manager:
        calling = asyncio.create_task(manager.transact(ask))
        while not manager.stats().pool.waiting:
            await asyncio.sleep(0)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        assert manager.stats().breaker.outcomes == 0


@asynccontextmanager
async def lent_in_between(tmp_path, **config):
    """A manager whose only connection is lent as soon as a function gives it back; and that."""
    url = f"sqlite:///{tmp_path}/app.db"
    config = DatabaseConfig(url=url, pool_size=1, max_overflow=0, retry=QUICK, **config)
    manager = DatabaseManager(config)
    has_room = asyncio.Event()
    loans = []

    async def hold():
        async with manager.engine.connect():
            await has_room.wait()

    async def give_back(end):
        loans.append(asyncio.create_task(hold()))
        while not manager.stats().pool.waiting:
            await asyncio.sleep(0)
        await end()

    try:
        yield manager, give_back
    finally:
        has_room.set()
        try:
            await asyncio.gather(*loans)
        finally:
            await manager.close()


@pytest.mark.integration
@pytest.mark.parametrize("limit", ["attempt_timeout", "pool_timeout", "timeout"])
@undisturbed
async def test_a_line_within_a_function_is_no_slow_transaction(tmp_path, limit):
    async with lent_in_between(tmp_path, **{limit: 0.2}) as (manager, give_back):

        async def twice(session):
            await ask(session)
            await give_back(session.rollback)
            await ask(session)

        with pytest.raises(PoolExhausted, match="1 in use") as raised:
            await manager.transact(twice)
        assert not hasattr(raised.value, "__notes__")
        assert blamed(manager) == (1, (("pool_exhausted", 1),), 0)


@pytest.mark.integration
@pytest.mark.parametrize("limit", ["attempt_timeout", "pool_timeout", "timeout"])
@undisturbed
async def test_who_stands_in_line_after_a_commit_is_told_that_something_was_done(tmp_path, limit):
    async with lent_in_between(tmp_path, **{limit: 0.2}) as (manager, give_back):

        async def twice(session):
            await ask(session)
            await give_back(session.commit)
            await ask(session)

        with pytest.raises(PoolExhausted, match="1 in use") as raised:
            await manager.transact(twice)
        assert raised.value.__notes__ == [DONE]
        assert blamed(manager) == (1, (("pool_exhausted", 1),), 0)


@pytest.mark.integration
@pytest.mark.parametrize("limit", ["attempt_timeout", "timeout"])
@undisturbed
async def test_who_is_late_after_a_commit_is_told_once_that_something_was_done(tmp_path, limit):
    url = f"sqlite:///{tmp_path}/app.db"
    manager = DatabaseManager(DatabaseConfig(url=url, retry=QUICK, **{limit: 0.5}))

    async def commit_and_linger(session):
        await ask(session)
        await session.commit()
        await asyncio.Event().wait()

    try:
        with pytest.raises(DeadlineExceeded) as raised:
            await manager.transact(commit_and_linger)
        assert raised.value.__notes__.count(DONE) == 1
    finally:
        await manager.close()


async def test_an_old_failure_to_dial_is_not_told_to_whom_a_pause_keeps_waiting(house):
    home = await served_beside_a_failed_dial(house)
    ending.pause(home.keeper)
    with pytest.raises(PoolExhausted, match="the pool is paused"):
        await home.use()
    assert home.stats().timeouts_total == 1


async def test_an_old_failure_to_dial_is_not_told_to_whom_a_loan_keeps_waiting(house):
    home = await served_beside_a_failed_dial(house)
    ending.resize(home.keeper, 1, 0)
    async with home.lent():
        with pytest.raises(PoolExhausted, match="1 in use"):
            await home.use()
    assert home.stats().timeouts_total == 1


async def test_a_failure_to_dial_that_befell_the_same_wait_is_still_told(house):
    home = house(pool_size=2, max_overflow=0, pool_timeout=1.0)
    async with home.lent():
        home.server.error = ConnectionRefusedError()
        with pytest.raises(ConnectionRefusedError):
            await home.use()
    assert home.stats().timeouts_total == 0


async def served_beside_a_failed_dial(house):
    """A pool whose last dial failed three seconds ago, and whose line was served all the same."""
    home = house(pool_size=2, max_overflow=0, pool_timeout=0.5)
    lent = await home.borrow()
    home.server.error = ConnectionRefusedError()
    waiting = asyncio.create_task(home.use())
    await asyncio.sleep(home.server.connect_time + 0.01)
    await greenlet_spawn(lent.close)
    await waiting
    home.server.error = None
    await asyncio.sleep(3)
    return home


async def test_who_leaves_before_the_server_has_let_anybody_in_was_not_held_up(house):
    home = house()
    home.server.connect_time = 100.0
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.0):
            await home.use()
    assert home.stats().timeouts_total == 0


async def test_a_call_of_another_policy_that_is_cut_in_line_has_failed_nobody(house):
    """What a line inside says reaches the policy outside, whose gates get their permits back."""
    home = house(pool_size=1, max_overflow=0)
    policy = Policy("orders", timeout=1.0, clock=running_clock())
    async with home.lent():
        with pytest.raises(PoolExhausted, match="none came back in 1 s"):
            await policy.run(home.use)
    assert policy.stats().failures_total == 0
    assert policy.stats().rejected_total == 1


async def test_a_call_that_is_cut_for_another_reason_is_late(house):
    home = house()
    home.server.connect_time = 100.0
    policy = Policy("orders", timeout=1.0, clock=running_clock())
    with pytest.raises(DeadlineExceeded):
        await policy.run(home.use)
    assert policy.stats().failures_total == 1
