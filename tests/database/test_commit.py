"""The COMMIT whose answer is lost where nobody can tell, and everything that is not that.

Where there is a witness, see `exactly_once`.
"""

import asyncio

import pytest
from sqlalchemy import event, exc, text
from sqlalchemy.util import await_

from koo import errors
from koo.database import StatementTimedOut, judge
from koo.resilience import Backoff, Policy, RetryConfig
from koo.testing import Action, Direction

pytestmark = pytest.mark.integration


class CommitFault:
    """A hook that does *action* to the first COMMITs that pass, and counts them."""

    def __init__(self, action, *, times=1):
        self.action = action
        self.times = times
        self.seen = 0

    def __call__(self, chunk):
        if chunk.direction is Direction.TO_SERVER and b"COMMIT" in chunk.payload:
            self.seen += 1
            if self.seen <= self.times:
                return self.action
        return Action.PASS


async def book(session):
    await session.execute(text("INSERT INTO ledger VALUES (1)"))


async def entries(manager):
    async with manager.session_scope(readonly=True) as session:
        return (await session.execute(text("SELECT count(*) FROM ledger"))).scalar_one()


@pytest.mark.parametrize(("action", "booked"), [(Action.CUT, 0), (Action.CUT_CLIENT, 1)])
async def test_without_a_witness_a_lost_commit_is_never_repeated_whether_it_arrived_or_not(
    through_proxy, action, booked
):
    async with through_proxy(commit_tokens="off") as (manager, proxy, direct):
        proxy.hook = fault = CommitFault(action)
        with pytest.raises(errors.CommitOutcomeUnknown, match="may or may not have committed"):
            await manager.transact(book, max_retries=5)
        assert fault.seen == 1
        assert await entries(direct) == booked
        stats = manager.stats()
        assert stats.errors == (("commit_unknown", 1),)
        assert stats.breaker.failures == 1


async def test_a_scope_says_the_same(through_proxy):
    async with through_proxy() as (manager, proxy, _):
        proxy.hook = CommitFault(Action.CUT)
        with pytest.raises(errors.CommitOutcomeUnknown) as caught:
            async with manager.session_scope() as session:
                await book(session)
        assert caught.value.__cause__ is not None
        assert manager.stats().pool.active == 0


async def test_a_commit_in_the_callers_own_code_is_no_exception(through_proxy):
    async with through_proxy(commit_tokens="off") as (manager, proxy, _):
        proxy.hook = fault = CommitFault(Action.CUT_CLIENT)
        attempts = []

        async def commits_itself(session):
            attempts.append(1)
            await book(session)
            await session.commit()

        with pytest.raises(errors.CommitOutcomeUnknown):
            await manager.transact(commits_itself)
        assert (len(attempts), fault.seen) == (1, 1)


async def test_a_commit_that_is_never_answered_is_unknown_too(through_proxy):
    async with through_proxy(attempt_timeout=1.5, commit_tokens="off") as (manager, proxy, direct):
        attempts = []

        async def work(session):
            attempts.append(1)
            await book(session)
            proxy.drops_replies = True

        with pytest.raises(errors.CommitOutcomeUnknown):
            await manager.transact(work)
        assert len(attempts) == 1
        assert await entries(direct) == 1

        async def scope():
            async with manager.session_scope() as session:
                await work(session)

        proxy.drops_replies = False
        with pytest.raises(errors.CommitOutcomeUnknown):
            await scope()
        assert await entries(direct) == 2


async def test_a_readonly_commit_that_is_never_answered_is_late_and_nothing_else(through_proxy):
    async with through_proxy(attempt_timeout=1) as (manager, proxy, _):

        async def scope():
            async with manager.session_scope(readonly=True) as session:
                await session.execute(text("SELECT 1"))
                proxy.drops_replies = True

        with pytest.raises(StatementTimedOut, match="no answer to COMMIT in 1 s"):
            await scope()
        assert manager.stats().errors == (("timeout", 1),)


@pytest.mark.parametrize("limit", ["timeout", "attempt_timeout"])
async def test_what_is_committed_is_returned_however_long_its_end_takes(through_proxy, limit):
    async with through_proxy(**{limit: 2.0}) as (manager, _, direct):
        attempts = []

        async def work(session):
            attempts.append(1)
            await book(session)
            event.listen(session.sync_session, "after_commit", linger)
            return "booked"

        assert await manager.transact(work) == "booked"
        assert len(attempts) == 1
        assert await entries(direct) == 1
        assert manager.stats().pool.active == 0


def linger(_session):
    await_(asyncio.sleep(30))


async def test_a_deadline_during_the_commit_is_unknown_and_not_late(through_proxy):
    async with through_proxy(timeout=2) as (manager, proxy, direct):

        async def work(session):
            await book(session)
            proxy.drops_replies = True

        with pytest.raises(errors.CommitOutcomeUnknown) as caught:
            await manager.transact(work)
        assert isinstance(caught.value.__cause__, errors.DeadlineExceeded)
        assert await entries(direct) == 1


async def test_a_callers_cancellation_during_the_commit_stays_a_cancellation(through_proxy):
    async with through_proxy() as (manager, proxy, _):

        async def work(session):
            await book(session)
            proxy.drops_replies = True

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await manager.transact(work)
        stats = manager.stats()
        assert (stats.errors, stats.breaker.outcomes, stats.pool.active) == ((), 0, 0)


async def test_a_connection_lost_before_the_commit_is_retried(through_proxy):
    async with through_proxy() as (manager, proxy, direct):
        attempts = []

        async def work(session):
            attempts.append(1)
            await book(session)
            if len(attempts) == 1:
                proxy.reset_all()
                await session.execute(text("SELECT 1"))

        await manager.transact(work)
        assert len(attempts) == 2
        assert await entries(direct) == 1


async def test_a_connection_lost_in_the_last_flush_is_retried(through_proxy):
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

    class Base(DeclarativeBase): ...

    class Entry(Base):
        __tablename__ = "ledger"
        n: Mapped[int] = mapped_column(primary_key=True)

    async with through_proxy() as (manager, proxy, direct):
        attempts = []

        async def work(session):
            attempts.append(1)
            await session.execute(text("SELECT 1"))
            session.add(Entry(n=1))
            if len(attempts) == 1:
                proxy.reset_all()

        await manager.transact(work)
        assert len(attempts) == 2
        assert await entries(direct) == 1


async def test_a_readonly_transaction_has_nothing_to_lose_and_is_retried(through_proxy):
    async with through_proxy() as (manager, proxy, _):
        proxy.hook = fault = CommitFault(Action.CUT)
        attempts = []

        async def look(session):
            attempts.append(1)
            return (await session.execute(text("SELECT 7"))).scalar_one()

        assert await manager.transact(look, readonly=True) == 7
        assert (len(attempts), fault.seen) == (2, 2)


async def test_a_serialization_failure_at_commit_is_retried(postgres, driver, opened, ledger_in):
    async with opened(postgres.url(driver)) as manager:
        await ledger_in(manager)
        meeting, met = asyncio.Barrier(2), []

        async def look_and_book(session):
            await session.execute(text("SELECT count(*) FROM ledger"))
            if len(met) < 2:
                met.append(1)
                await meeting.wait()
            await book(session)
            await asyncio.sleep(0.05)

        await asyncio.gather(
            *(manager.transact(look_and_book, isolation_level="SERIALIZABLE") for _ in range(2))
        )
        assert await entries(manager) == 2
        assert manager.report().value("errors_total", kind="conflict") == 1


async def test_a_deferred_constraint_at_commit_is_an_integrity_error(postgres, driver, opened):
    async with opened(postgres.url(driver)) as manager:
        async with manager.session_scope() as session:
            await session.execute(text("DROP TABLE IF EXISTS later"))
            await session.execute(
                text("CREATE TABLE later (n INTEGER UNIQUE DEFERRABLE INITIALLY DEFERRED)")
            )
        attempts = []

        async def twice(session):
            attempts.append(1)
            await session.execute(text("INSERT INTO later VALUES (1), (1)"))

        with pytest.raises(exc.IntegrityError):
            await manager.transact(twice)
        assert len(attempts) == 1


async def test_what_was_committed_in_part_is_not_repeated(postgres, driver, opened, ledger_in):
    async with opened(postgres.url(driver)) as manager:
        await ledger_in(manager)
        conflict = text("DO $$ BEGIN RAISE serialization_failure; END $$")

        async def half(session):
            await book(session)
            await session.commit()
            await session.execute(conflict)

        with pytest.raises(exc.DBAPIError) as caught:
            await manager.transact(half)
        assert judge(caught.value).kind == "conflict"
        assert any("some of it was committed" in note for note in caught.value.__notes__)
        assert await entries(manager) == 1

        async def half_and_more(session):
            await book(session)
            await session.commit()
            await book(session)
            await session.commit()
            await session.execute(text("CREATE TABLE pg_catalog.no (n INTEGER)"))

        with pytest.raises(exc.DBAPIError):
            await manager.transact(half_and_more)
        assert await entries(manager) == 3


async def test_a_released_savepoint_is_not_a_commit(postgres, driver, opened, ledger_in):
    async with opened(postgres.url(driver)) as manager:
        await ledger_in(manager)
        attempts = []

        async def nested(session):
            attempts.append(1)
            async with session.begin_nested():
                await book(session)
            if len(attempts) == 1:
                await session.execute(text("DO $$ BEGIN RAISE serialization_failure; END $$"))

        await manager.transact(nested)
        assert len(attempts) == 2
        assert await entries(manager) == 1


async def test_an_outer_policy_does_not_repeat_an_unknown_commit(through_proxy):
    async with through_proxy(commit_tokens="off") as (manager, proxy, _):
        proxy.hook = fault = CommitFault(Action.CUT_CLIENT, times=9)
        outer = Policy("outer", retry=RetryConfig(backoff=Backoff(base_delay=0.01)))
        with pytest.raises(errors.CommitOutcomeUnknown):
            await outer(manager.transact)(book)
        assert fault.seen == 1
