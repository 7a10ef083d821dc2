"""The server, too, knows when it is too late."""

import asyncio
import re

import pytest
from sqlalchemy import event, text

from koo import errors
from koo.database import StatementTimedOut
from koo.resilience import Policy
from koo.testing import BlackHole, Direction, FaultProxy

pytestmark = pytest.mark.integration

LIMIT = text("SELECT setting::integer FROM pg_settings WHERE name = 'statement_timeout'")


async def limit(session):
    return (await session.execute(LIMIT)).scalar_one()


async def test_it_is_told_what_is_left_of_the_deadline(postgres, driver, opened):
    async with opened(postgres.url(driver), timeout=20, attempt_timeout=15) as manager:
        for options in ({}, {"isolation_level": "SERIALIZABLE"}, {"readonly": True}):
            assert 15_500 < await manager.transact(limit, **options) <= 20_500
        async with manager.session_scope() as session:
            assert await limit(session) == 0


async def test_an_inherited_deadline_counts_as_well(postgres, driver, opened):
    async with opened(postgres.url(driver)) as manager:

        async def look():
            async with manager.session_scope() as session:
                return await limit(session)

        assert await look() == 0
        assert 5_500 < await Policy("caller", timeout=10).run(look) <= 10_500
        assert await look() == 0


async def test_a_begin_without_a_semicolon_is_understood(postgres, driver, opened):
    """Who has the driver's own connection may say it in words of one's own."""
    async with opened(postgres.url(driver)) as manager:

        async def by_hand():
            async with manager.engine.connect() as connection:
                theirs = (await connection.get_raw_connection()).driver_connection
                await theirs.execute("BEGIN")
                await theirs.execute("ROLLBACK")

        await manager.transact(limit)
        await Policy("caller", timeout=10).run(by_hand)


async def test_it_costs_no_round_trip(postgres, driver, opened):
    replies = []
    async with (
        FaultProxy("127.0.0.1", postgres.port) as proxy,
        opened(postgres.url(driver, port=proxy.port)) as manager,
    ):

        async def look(session):
            return (await session.execute(text("SELECT 2"))).scalar_one()

        async def scope():
            async with manager.session_scope() as session:
                await look(session)

        def count(chunk):
            replies.append(chunk.direction is Direction.TO_CLIENT)

        async def replies_to(work):
            replies.clear()
            await work
            return sum(replies)

        for _ in range(7):  # psycopg prepares at the sixth
            await manager.transact(look)
            await scope()
        proxy.witness = count
        # Where the machine stood still for a second, the connection was asked whether it lives.
        without = min([await replies_to(scope()) for _ in range(5)])
        assert min([await replies_to(manager.transact(look)) for _ in range(5)]) == without


@pytest.mark.parametrize("setting", ["7000", "600000"])
async def test_a_limit_of_the_roles_own_stays(postgres, driver, opened, setting):
    async with opened(postgres.url(driver)) as admin:
        async with admin.session_scope() as session:
            await session.execute(text("DROP ROLE IF EXISTS hasty"))
            await session.execute(text("CREATE ROLE hasty LOGIN"))
            await session.execute(text(f"ALTER ROLE hasty SET statement_timeout = {setting}"))
        async with opened(postgres.url(driver).replace("postgres@", "hasty@")) as manager:
            assert await manager.transact(limit) == int(setting)


async def test_a_server_that_knows_no_such_limit_is_not_told(postgres, driver, opened, monkeypatch):
    from koo.database.listening import server_limit

    monkeypatch.setattr(server_limit, "_QUESTION", "SHOW no_such_thing")
    async with opened(postgres.url(driver)) as manager:
        assert await manager.transact(limit) == 0


async def test_many_rows_at_once_may_come_first(postgres, driver, opened):
    """psycopg sends them in a pipeline, where only one statement goes at a time."""
    async with opened(postgres.url(driver)) as manager:

        async def many(session):
            connection = await session.connection()
            await connection.exec_driver_sql("CREATE TEMPORARY TABLE IF NOT EXISTS t (n integer)")
            await session.commit()
            mark = "%(n)s" if driver == "psycopg" else "$1"
            rows = [{"n": n} if driver == "psycopg" else (n,) for n in range(3)]
            await (await session.connection()).exec_driver_sql(
                f"INSERT INTO t VALUES ({mark})", rows
            )
            return (await session.execute(text("SELECT count(*) FROM t"))).scalar_one()

        assert await manager.transact(many) == 3


async def test_a_transaction_may_still_be_set_after_its_beginning(postgres, driver, opened):
    async with opened(postgres.url(driver)) as manager:

        async def work(session):
            await session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
            return (await session.execute(text("SHOW transaction_isolation"))).scalar_one()

        assert await manager.transact(work) == "repeatable read"


async def test_with_autocommit_there_is_no_beginning_to_say_it_with(postgres, driver, opened):
    async with opened(postgres.url(driver)) as manager:
        assert await manager.transact(limit, isolation_level="AUTOCOMMIT") == 0


async def test_a_beginning_that_the_server_refuses_is_an_error_as_ever(postgres, driver, opened):
    async with opened(postgres.url(driver)) as manager:

        def spoil(connection, _record):
            connection.driver_connection.opening = lambda: "; SET LOCAL no_such_thing = 1;"

        event.listen(manager.engine.sync_engine, "connect", spoil)
        with pytest.raises(Exception, match="no_such_thing"):
            await manager.transact(limit, max_retries=0)


async def test_in_the_dark_the_server_gives_up_by_itself(postgres, driver, opened):
    query = f"SELECT pg_sleep(60) /* dark {driver} */"
    log = postgres.folder / "log"
    seen = text(
        "SELECT count(*) FROM pg_stat_activity"
        f" WHERE state = 'active' AND query LIKE '%dark {driver}%' AND pid <> pg_backend_pid()"
    )
    async with (
        opened(postgres.url()) as direct,
        FaultProxy("127.0.0.1", postgres.port) as proxy,
        opened(postgres.url(driver, port=proxy.port), timeout=2.0) as manager,
    ):

        async def active():
            async with direct.session_scope() as session:
                return (await session.execute(seen)).scalar_one()

        async def fall_dark():
            while not await active():
                await asyncio.sleep(0.01)
            proxy.black_hole = BlackHole.ALL

        async def work(session):
            await session.execute(text(query))

        await manager.transact(limit)
        falling = asyncio.create_task(fall_dark())
        with pytest.raises((errors.DeadlineExceeded, StatementTimedOut)):
            await manager.transact(work, max_retries=0)
        await falling
        async with asyncio.timeout(20):
            while await active():
                await asyncio.sleep(0.05)
    told = f"canceling statement due to statement timeout\n.* STATEMENT:  {re.escape(query)}\n"
    assert re.search(told, log.read_text())
