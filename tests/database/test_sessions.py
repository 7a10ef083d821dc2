"""Sessions and transactions, against each database by each driver."""

import asyncio

import pytest
from sqlalchemy import event, exc, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session

from koo import errors
from koo.database import DatabaseConfig, DatabaseManager, StatementTimedOut, classify
from koo.resilience import (
    BreakerConfig,
    Policy,
    RetryBudget,
    RetryBudgetConfig,
    State,
    current_attempt,
)

from .items import ask_and_raise, count, insert, insert_and_raise, with_table

pytestmark = pytest.mark.integration

SLOW = "SELECT pg_sleep(30)"


async def test_a_scope_commits_at_its_end(url, opened):
    async with opened(url) as manager, with_table(manager):
        async with manager.session_scope() as session:
            await insert(session, 1)
        assert await count(manager) == 1


async def test_a_scope_rolls_back_when_the_caller_raises(url, opened):
    async with opened(url) as manager, with_table(manager):
        with pytest.raises(KeyError, match="mine"):
            await insert_and_raise(manager, KeyError("mine"))
        assert await count(manager) == 0


async def test_a_result_can_be_read_after_its_transaction(url, opened):
    async with opened(url) as manager:

        @manager.transactional()
        async def answer(session):
            return await session.execute(text("SELECT 42"))

        assert (await answer()).scalar_one() == 42


async def test_a_transactional_function_keeps_its_name_and_takes_its_arguments(sqlite_url, opened):
    async with opened(sqlite_url) as manager:

        @manager.transactional(max_retries=5)
        async def add(session, left, *, right):
            """Add in the database."""
            pair = {"l": left, "r": right}
            return (await session.execute(text("SELECT :l + :r"), pair)).scalar_one()

        assert await add(1, right=2) == 3
        assert (add.__name__, add.__doc__) == ("add", "Add in the database.")


async def test_only_async_functions_can_be_transactional(sqlite_url, opened):
    async with opened(sqlite_url) as manager:
        with pytest.raises(TypeError, match="is not async; decorate an async function"):
            manager.transactional()(lambda session: session)
        with pytest.raises(TypeError, match="needs parentheses; write @transactional()"):

            @manager.transactional
            async def bare(session): ...

        with pytest.raises(ValueError, match="there is no transaction to be read-only"):
            manager.transactional(isolation_level="AUTOCOMMIT", readonly=True)
        with pytest.raises(ValueError, match="max_retries can't be negative"):
            manager.transactional(max_retries=-1)
        with pytest.raises(ValueError, match="max_retries must be a whole number, not '5'"):
            manager.transactional(max_retries="5")
        with pytest.raises(ValueError, match="max_retries must be a whole number, not '5'"):
            await manager.transact(ask_and_raise, max_retries="5")


async def test_a_conflict_is_retried_at_most_max_retries_times(url, opened):
    async with opened(url) as manager, with_table(manager):
        attempts = []

        async def conflict(session):
            attempts.append(current_attempt())
            await insert(session, len(attempts))
            if manager.config.location.get_backend_name() == "sqlite":
                raise busy()
            await session.execute(text("DO $$ BEGIN RAISE serialization_failure; END $$"))

        with pytest.raises(exc.DBAPIError):
            await manager.transact(conflict, max_retries=2)
        assert attempts == [1, 2, 3]
        assert await count(manager) == 0
        assert manager.report().value("errors_total", kind="conflict") == 3
        assert manager.breaker.stats().failures == 0


def busy():
    orig = Exception("database is locked")
    orig.sqlite_errorcode = 517
    return exc.OperationalError("UPDATE", {}, orig)


@pytest.mark.parametrize(("balance", "attempts"), [(0.5, 1), (1.5, 2), (10, 3)])
async def test_a_retry_is_paid_out_of_the_retry_budget(sqlite_url, opened, balance, attempts):
    budget = RetryBudget(RetryBudgetConfig(floor=balance))
    async with opened(sqlite_url, retry_budget=budget) as manager:
        tried = []

        async def lose(session):
            tried.append(1)
            raise exc.OperationalError(
                "UPDATE", {}, ConnectionResetError(), connection_invalidated=True
            )

        with pytest.raises(exc.OperationalError):
            await manager.transact(lose, max_retries=2)
        assert len(tried) == attempts


async def test_the_whole_function_is_replayed_in_a_new_transaction(url, opened):
    async with opened(url) as manager, with_table(manager):
        attempts = []

        async def work(session):
            attempts.append(session)
            await insert(session, 1)
            if len(attempts) < 3:
                raise busy()
            return "done"

        assert await manager.transact(work) == "done"
        assert await count(manager) == 1
        assert len({id(session) for session in attempts}) == 3


async def test_lost_updates_are_prevented_by_retrying_serialization_failures(url, opened):
    async with opened(url, max_overflow=0, retry_budget=None) as manager, with_table(manager):
        async with manager.session_scope() as session:
            await insert(session, 1)

        async def increment(session):
            n = (await session.execute(text("SELECT n FROM items WHERE id = 1"))).scalar_one()
            await session.execute(text("UPDATE items SET n = :n WHERE id = 1"), {"n": n + 1})

        await asyncio.gather(
            *(
                manager.transact(increment, max_retries=200, isolation_level="SERIALIZABLE")
                for _ in range(16)
            )
        )
        async with manager.session_scope() as session:
            assert (await session.execute(text("SELECT n FROM items"))).scalar_one() == 16


async def test_an_integrity_error_is_raised_at_once_and_is_no_failure_of_the_database(url, opened):
    async with opened(url) as manager, with_table(manager):
        attempts = []

        async def twice(session):
            attempts.append(1)
            await insert(session, 1)
            await insert(session, 1)

        with pytest.raises(exc.IntegrityError) as caught:
            await manager.transact(twice)
        assert len(attempts) == 1
        assert "[SQL parameters hidden" in str(caught.value)
        stats = manager.stats()
        assert (stats.breaker.failures, stats.failure_rate) == (0, 0.0)
        assert ("integrity", 1) in stats.errors


async def test_a_callers_exception_is_not_counted(url, opened):
    async with opened(url, breaker=BreakerConfig(failure_threshold=1)) as manager:
        for error in (ValueError, ConnectionRefusedError, TimeoutError, errors.DeadlineExceeded):
            with pytest.raises(error, match="mine"):
                await ask_and_raise(manager, error("mine"))
        stats = manager.stats()
        assert (stats.breaker.state, stats.errors) == (State.CLOSED, ())
        assert stats.failure_rate == 0.0


async def test_a_scope_that_never_asked_the_database_says_nothing_about_it(sqlite_url, opened):
    async with opened(sqlite_url) as manager:
        async with manager.session_scope():
            pass
        with pytest.raises(KeyError):
            async with manager.session_scope():
                raise KeyError("mine")
        assert manager.breaker.stats().outcomes == 0
        assert manager.stats().failure_rate is None
        assert manager.stats().pool.checkouts_total == 0


async def test_a_readonly_transaction_cannot_write_and_the_next_one_can(url, opened):
    async with opened(url, pool_size=1, max_overflow=0) as manager, with_table(manager):
        with pytest.raises(exc.DBAPIError):
            async with manager.session_scope(readonly=True) as session:
                await insert(session, 1)
        assert manager.report().value("errors_total", kind="read_only") == 1
        async with manager.session_scope() as session:
            await insert(session, 1)
        assert await count(manager) == 1
        assert manager.stats().pool.created_total == 1


async def terms_of(session):
    level = (await session.execute(text("SHOW transaction_isolation"))).scalar_one()
    return level, (await session.execute(text("SHOW transaction_read_only"))).scalar_one()


async def by_scope(manager, **options):
    async with manager.session_scope(**options) as session:
        return await terms_of(session)


DOORS = {
    "scope": by_scope,
    "transact": lambda manager, **options: manager.transact(terms_of, **options),
    "transactional": lambda manager, **options: manager.transactional(**options)(terms_of)(),
}


@pytest.mark.parametrize("door", DOORS)
async def test_every_door_takes_an_isolation_level_and_read_only(postgres, driver, opened, door):
    ask = DOORS[door]
    async with opened(postgres.url(driver)) as manager:
        for level in ("SERIALIZABLE", "REPEATABLE READ"):
            found = await ask(manager, isolation_level=level, readonly=True)
            assert found == (level.lower(), "on")
        assert await ask(manager) == ("read committed", "off")


async def test_autocommit_works_on_sqlite_too(sqlite_url, opened):
    async with opened(sqlite_url) as manager, with_table(manager):
        with pytest.raises(KeyError, match="too late"):
            await insert_and_raise(manager, KeyError("too late"), isolation_level="AUTOCOMMIT")
        assert await count(manager) == 1


async def test_a_statement_that_takes_too_long_is_cut(postgres, driver, opened):
    async with opened(postgres.url(driver), timeout=1) as manager:
        with pytest.raises(StatementTimedOut, match="no answer to a statement in 1 s"):
            async with manager.session_scope() as session:
                await session.execute(text(SLOW))
        stats = manager.stats()
        assert stats.errors == (("timeout", 1),)
        assert stats.breaker.failures == 1
        assert stats.pool.active == 0
        async with manager.session_scope() as session:
            assert (await session.execute(text("SELECT 1"))).scalar_one() == 1


async def test_a_transaction_that_takes_too_long_is_tried_again(url, opened):
    # Without tokens, because the first transaction would make their table in that time.
    async with opened(url, attempt_timeout=2, commit_tokens="off") as manager:
        attempts = []

        async def slow_at_first(session):
            attempts.append(1)
            await session.execute(text("SELECT 1"))
            if len(attempts) == 1:
                await asyncio.sleep(30)
            return len(attempts)

        assert await manager.transact(slow_at_first) == 2
        assert manager.stats().errors == (("timeout", 1),)


async def test_a_timeout_inside_the_callers_function_is_the_callers(sqlite_url, opened):
    async with opened(sqlite_url) as manager:
        attempts = []

        async def impatient(session):
            attempts.append(1)
            async with asyncio.timeout(0.01):
                await asyncio.sleep(1)

        with pytest.raises(TimeoutError) as caught:
            await manager.transact(impatient)
        assert not isinstance(caught.value, errors.KooError)
        assert len(attempts) == 1


async def test_a_whole_transaction_is_bounded_too(sqlite_url, opened):
    async with opened(sqlite_url, timeout=0.2) as manager:
        with pytest.raises(errors.DeadlineExceeded):
            await manager.transact(lambda _: asyncio.sleep(5))
        assert manager.stats().pool.active == 0


async def test_an_outer_policy_does_not_retry_what_was_given_up_inside(sqlite_url, opened):
    async with opened(sqlite_url) as manager:
        attempts = []

        async def conflict(session):
            attempts.append(1)
            raise busy()

        outer = Policy(
            "outer",
            retry=manager.config.retry,
            classify=classify,
        )
        with pytest.raises(exc.OperationalError):
            await outer(manager.transact)(conflict, max_retries=1)
        assert len(attempts) == 2


class Counting(Session):
    """A session class of the user's own."""


class Ours(AsyncSession):
    sync_session_class = Counting


@pytest.mark.parametrize(
    "maker",
    [
        async_sessionmaker(class_=Ours, autoflush=False),
        async_sessionmaker(sync_session_class=Counting, autoflush=False, info={"tenant": 7}),
    ],
)
async def test_sessions_are_made_as_you_make_them(sqlite_url, maker):
    manager = DatabaseManager(DatabaseConfig(url=sqlite_url), sessions=maker)
    seen = []
    event.listen(Counting, "after_begin", lambda *_: seen.append(1))
    async with manager.session_scope() as session:
        assert type(session) is maker.class_
        assert isinstance(session.sync_session, Counting)
        assert (session.autoflush, session.sync_session.expire_on_commit) == (False, True)
        await session.execute(text("SELECT 1"))
        where = manager.stats().pool.holders[0].where
    assert "test_sessions.py" in where
    assert seen == [1]
    assert session.sync_session.info.get("tenant") == maker.kw.get("info", {}).get("tenant")
    async with maker(bind=manager.engine) as other:
        await other.execute(text("SELECT 1"))
        assert type(other.sync_session) is Counting
    assert seen == [1, 1]
    await manager.close()


async def test_a_scope_that_fails_before_its_block_is_settled_too(opened):
    async with opened("postgresql://nobody@127.0.0.1:1/nowhere") as manager:
        with pytest.raises(exc.OperationalError):
            async with manager.session_scope(readonly=True):
                pytest.fail("the block has run")
        breaker = manager.stats().breaker
        assert (breaker.failures, breaker.outcomes) == (1, 1)


async def test_options_that_come_too_late_are_refused_and_nothing_is_torn_off(sqlite_url, opened):
    async with opened(sqlite_url) as manager, manager.session_scope() as session:
        await session.execute(text("SELECT 1"))
        connection = await session.connection()
        with pytest.raises(exc.InvalidRequestError, match="already initialized"):
            await connection.execution_options(isolation_level="READ UNCOMMITTED")
        assert (await session.execute(text("SELECT 1"))).scalar_one() == 1
        assert manager.stats().pool.invalidated_total == 0
