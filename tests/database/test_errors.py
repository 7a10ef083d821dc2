"""The verdicts on what real servers and drivers raise, row by row."""

import asyncio

import pytest
from sqlalchemy import exc, text

from koo.database import Kind, judge

pytestmark = pytest.mark.integration


async def raised(manager, *statements, isolation_level=None):
    with pytest.raises(exc.SQLAlchemyError) as caught:
        await run(manager, statements, isolation_level)
    return caught.value


async def run(manager, statements, isolation_level):
    async with manager.session_scope(isolation_level=isolation_level) as session:
        for statement in statements:
            await session.execute(text(statement))


RETRY_AND_TRIP, RETRY, TRIP, NEITHER = (True, True), (True, False), (False, True), (False, False)


@pytest.mark.parametrize(
    ("state", "kind", "verdict"),
    [
        ("40001", Kind.CONFLICT, RETRY),
        ("40P01", Kind.CONFLICT, RETRY),
        ("55P03", Kind.CONFLICT, RETRY),
        ("57014", Kind.TIMEOUT, NEITHER),
        ("53300", Kind.OVERLOADED, RETRY_AND_TRIP),
        ("57P03", Kind.CONNECTION, RETRY_AND_TRIP),
        ("25006", Kind.READ_ONLY, NEITHER),
        ("XX000", Kind.INTERNAL, TRIP),
        ("P0001", Kind.QUERY, NEITHER),
        ("08006", Kind.CONNECTION, RETRY_AND_TRIP),
    ],
)
async def test_a_raised_sqlstate_arrives_by_each_driver_and_has_its_verdict(
    postgres, driver, opened, state, kind, verdict
):
    async with opened(postgres.url(driver)) as manager:
        error = await raised(
            manager, f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{state}'; END $$"
        )
        found = judge(error)
        assert (found.kind, (found.failure.retryable, found.failure.trips)) == (kind, verdict)
        assert found.failure.cause.endswith(f"({state})")


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("SELECT nonsense", Kind.QUERY),
        ("SELECT 1 / 0", Kind.QUERY),
        ("SELECT * FROM no_such_table", Kind.QUERY),
        ("SELEC 1", Kind.QUERY),
    ],
)
async def test_a_wrong_statement_is_the_callers_mistake(postgres, driver, opened, statement, kind):
    async with opened(postgres.url(driver)) as manager:
        assert judge(await raised(manager, statement)).kind is kind


@pytest.mark.parametrize("statement", ["SELEC 1", "SELECT * FROM no_such_table"])
async def test_on_sqlite_operational_does_not_mean_retryable(sqlite_url, opened, statement):
    async with opened(sqlite_url) as manager:
        error = await raised(manager, statement)
        assert isinstance(error, exc.OperationalError)
        verdict = judge(error)
        assert (verdict.kind, verdict.failure.retryable) == (Kind.QUERY, False)


async def test_a_locked_sqlite_file_is_a_conflict(sqlite_url, opened, monkeypatch):
    monkeypatch.setattr("koo.database.listening.dialects._BUSY_TIMEOUT_MS", 20)
    async with opened(sqlite_url) as manager:
        async with manager.session_scope() as session:
            await session.execute(text("CREATE TABLE t (n INTEGER)"))
        async with manager.session_scope() as session:
            await session.execute(text("INSERT INTO t VALUES (1)"))
            error = await raised(manager, "INSERT INTO t VALUES (2)")
            assert judge(error).kind is Kind.CONFLICT


async def test_a_sqlite_snapshot_that_was_overtaken_is_a_conflict(sqlite_url, opened):
    async with opened(sqlite_url) as manager:
        async with manager.session_scope() as session:
            await session.execute(text("CREATE TABLE t (n INTEGER)"))

        async def overtaken():
            async with manager.session_scope() as session:
                await session.execute(text("SELECT * FROM t"))
                async with manager.session_scope() as other:
                    await other.execute(text("INSERT INTO t VALUES (1)"))
                await session.execute(text("INSERT INTO t VALUES (2)"))

        with pytest.raises(exc.OperationalError) as caught:
            await overtaken()
        assert judge(caught.value).failure.cause == "another transaction was in the way (517)"


@pytest.mark.parametrize(
    ("user", "database"), [("nobody-here", "postgres"), ("postgres", "no-such-database")]
)
async def test_a_refused_login_is_a_matter_of_configuration(
    postgres, driver, opened, user, database
):
    url = postgres.url(driver, database=database).replace("postgres@", f"{user}@")
    async with opened(url) as manager:
        verdict = judge(await raised(manager, "SELECT 1"))
        assert verdict.kind is Kind.CONFIGURATION
        report = await manager.check()
        assert not report.check.ok
        assert user not in report.check.error


async def test_a_server_without_a_connection_to_spare_is_overloaded(postgres, driver, opened):
    async with opened(postgres.url(driver)) as manager:
        async with manager.session_scope() as session:
            await session.execute(text("DROP ROLE IF EXISTS guest"))
            await session.execute(text("CREATE ROLE guest LOGIN CONNECTION LIMIT 1"))
        url = postgres.url(driver).replace("postgres@", "guest@")
        async with (
            opened(url, pool_timeout=1.5) as guests,
            guests.session_scope() as session,
        ):
            await session.execute(text("SELECT 1"))
            error = await raised(guests, "SELECT 1")
        assert judge(error).kind is Kind.OVERLOADED
        assert judge(error).failure.retryable


async def test_a_host_that_does_not_exist_cannot_be_reached(driver, opened):
    async with opened(f"postgresql+{driver}://u@no-such-host.invalid/d") as manager:
        assert judge(await raised(manager, "SELECT 1")).kind is Kind.CONNECTION


async def test_a_server_turned_read_only_loses_its_connections(postgres, driver, opened):
    async with opened(postgres.url(driver), pool_size=2) as manager:
        demote = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"
        async with manager.session_scope() as session:
            await session.execute(text(demote))
        attempts = []

        async def write(session):
            attempts.append(1)
            await session.execute(text("CREATE TEMPORARY TABLE t (n INTEGER)"))

        await manager.transact(write)
        assert len(attempts) == 2
        assert manager.report().value("errors_total", kind="read_only") == 1


async def test_a_deadlock_is_retried_and_both_transactions_end(postgres, driver, opened):
    async with opened(postgres.url(driver), pool_size=3) as manager:
        async with manager.session_scope() as session:
            await session.execute(text("DROP TABLE IF EXISTS pairs"))
            await session.execute(text("CREATE TABLE pairs (id INTEGER PRIMARY KEY, n INTEGER)"))
            await session.execute(text("INSERT INTO pairs VALUES (1, 0), (2, 0)"))
        bump = text("UPDATE pairs SET n = n + 1 WHERE id = :i")
        meeting = asyncio.Barrier(2)
        met = []

        async def both(first, second):
            async def work(session):
                await session.execute(bump, {"i": first})
                if first not in met:
                    met.append(first)
                    await meeting.wait()
                await session.execute(bump, {"i": second})

            await manager.transact(work)

        await asyncio.gather(both(1, 2), both(2, 1))
        assert manager.report().value("errors_total", kind="conflict") == 1
        async with manager.session_scope() as session:
            assert (await session.execute(text("SELECT sum(n) FROM pairs"))).scalar_one() == 4


async def test_a_stale_plan_after_a_schema_change_is_retried(postgres, opened):
    async with (
        opened(postgres.url(), pool_size=1, max_overflow=0) as manager,
        opened(postgres.url()) as other,
    ):
        async with manager.session_scope() as session:
            await session.execute(text("DROP TABLE IF EXISTS plans"))
            await session.execute(text("CREATE TABLE plans (n INTEGER)"))
            await session.execute(text("SELECT * FROM plans"))
        async with other.session_scope() as session:
            await session.execute(text("ALTER TABLE plans ALTER n TYPE BIGINT"))

        async def look(session):
            return (await session.execute(text("SELECT * FROM plans"))).all()

        assert await manager.transact(look) == []
