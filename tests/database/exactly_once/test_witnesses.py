"""Who can tell of a lost COMMIT, on which database, and what is made there for it."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import exc, text
from sqlalchemy.ext.asyncio import create_async_engine

from koo.database import DatabaseConfig, DatabaseManager
from koo.database.commit.ledger import SOME
from koo.database.commit.numbers import Numbers
from koo.database.commit.tokens import Backend, Tokens
from koo.database.drivers import driver as driver_of
from koo.resilience import SYSTEM_CLOCK, RetryBudget, SchemaChanged
from koo.testing import Action, Direction, FakeClock, FaultProxy, Phase

from ..saying import witness_of

pytestmark = pytest.mark.integration

TABLES = "SELECT count(*) FROM pg_class WHERE relname IN ('commit_tokens', 'koo_commit_tokens')"
OLD = """
INSERT INTO koo.commit_tokens
SELECT CAST(lpad(to_hex(CAST(1000 * extract(epoch FROM at) AS bigint)), 12, '0')
            || substr(md5('{0}{1}'), 1, 20) AS uuid), at, {1}
FROM (SELECT now() - interval '{0}' AS at) AS moment
"""
TOKENS = """
SELECT count(*) FROM koo.commit_tokens WHERE token < 'f0000000-0000-0000-0000-000000000000'
"""


async def scalar(engine, statement):
    async with engine.connect() as connection:
        return (await connection.execute(text(statement))).scalar_one()


async def write(session):
    await session.execute(text("CREATE TABLE IF NOT EXISTS written (n INTEGER)"))
    await session.execute(text("INSERT INTO written VALUES (1)"))
    return "written"


async def look(session):
    return (await session.execute(text("SELECT 7"))).scalar_one()


def name_of(url):
    return url.rpartition("/")[2]


# -- the table ----------------------------------------------------------------------------


async def test_the_first_transaction_makes_the_table_and_tells_of_it_once(database, driver, opened):
    told = []

    def listen(event):
        if isinstance(event, SchemaChanged):
            told.append(event)

    async with database(driver) as (url, administrator):
        async with opened(url, on_event=listen) as manager:
            async with manager.session_scope() as session:
                await write(session)
            assert await scalar(administrator, TABLES) == 0
            await asyncio.gather(*(manager.transact(write) for _ in range(5)))
            assert await scalar(administrator, TABLES) == 1
            assert await scalar(administrator, TOKENS) == 5
        async with opened(url, on_event=listen) as manager:
            await manager.transact(write)
            assert await scalar(administrator, TOKENS) == 6
        assert told == [SchemaChanged("database", "table koo.commit_tokens made")]


async def test_what_only_reads_leaves_no_token(database, driver, opened):
    async with database(driver) as (url, administrator), opened(url) as manager:
        assert await manager.transact(look) == 7
        assert await manager.transact(look, readonly=True) == 7
        assert await manager.transact(look, isolation_level="AUTOCOMMIT") == 7
        assert await scalar(administrator, TOKENS) == 0


async def test_what_has_made_itself_read_only_commits_as_ever(database, driver, opened):
    async def look_only(session):
        await session.execute(text("SET TRANSACTION READ ONLY"))
        return await look(session)

    async with database(driver) as (url, _), opened(url) as manager:
        assert await manager.transact(look_only, max_retries=0) == 7


async def test_off_makes_nothing(database, driver, opened):
    async with database(driver) as (url, administrator):
        async with opened(url, commit_tokens="off") as manager:
            assert await manager.transact(write) == "written"
            assert witness_of(manager) is None
        assert await scalar(administrator, TABLES) == 0


async def test_a_table_that_is_dropped_meanwhile_is_made_again(database, driver, opened):
    async with database(driver) as (url, administrator), opened(url) as manager:
        await manager.transact(write)
        async with administrator.connect() as connection:
            await connection.execute(text("DROP SCHEMA koo CASCADE"))
        assert await manager.transact(write, max_retries=1) == "written"
        assert await scalar(administrator, "SELECT count(*) FROM written") == 2
        assert await scalar(administrator, TOKENS) == 1
        assert manager.stats().breaker.failures == 0


async def test_a_read_only_session_is_no_place_to_make_anything(database, driver, opened):
    async with database(driver, role="reader") as (url, administrator):
        async with administrator.connect() as connection:
            await connection.execute(text("GRANT ALL ON SCHEMA public TO reader"))
            await connection.execute(text(f"GRANT CREATE ON DATABASE {name_of(url)} TO reader"))
            await connection.execute(
                text("ALTER ROLE reader SET default_transaction_read_only = on")
            )
        async with opened(url) as manager:
            assert await manager.transact(look) == 7
            assert witness_of(manager) is None
            assert await scalar(administrator, TABLES) == 0
            async with administrator.connect() as connection:
                await connection.execute(
                    text("ALTER ROLE reader RESET default_transaction_read_only")
                )
            manager._engines.witnesses._now = lambda: 1e9
            assert await manager.transact(look) == 7
            assert isinstance(witness_of(manager), Tokens)
            assert await scalar(administrator, TABLES) == 1


async def test_old_tokens_go_and_fences_a_day_later(database, driver, opened):
    async with database(driver) as (url, administrator), opened(url) as manager:
        await manager.transact(write)
        async with administrator.connect() as connection:
            for age in (("2 hours", False), ("2 hours", True), ("26 hours", True)):
                await connection.execute(text(OLD.format(*age)))
        manager._engines.witnesses._clean_at = 0
        await manager.transact(look)
        await until_quiet()
        left = "SELECT count(*) FROM koo.commit_tokens WHERE made < now() - interval '1 hour'"
        assert await scalar(administrator, left) == 1
        assert await scalar(administrator, TOKENS) == 2


async def test_a_table_that_has_grown_is_cleaned_piece_by_piece(database, driver, opened):
    """At once it would not end in time, and the next time there would be more."""
    many = f"""
        INSERT INTO koo.commit_tokens
        SELECT CAST(lpad(to_hex(1000000000000 + n), 12, '0') || repeat('0', 20) AS uuid),
               now() - interval '2 hours', false
        FROM generate_series(1, {2 * SOME + 1}) AS n
    """
    async with database(driver) as (url, administrator), opened(url) as manager:
        await manager.transact(look)
        async with administrator.connect() as connection:
            await connection.execute(text(many))
        witnesses = manager._engines.witnesses
        assert await witnesses._cleaned() == SOME
        assert await scalar(administrator, TOKENS) == SOME + 1
        await witnesses._clean()
        assert await scalar(administrator, TOKENS) == 0


class Behind(type(SYSTEM_CLOCK)):
    """As if the server's clock had jumped two hours ahead."""

    def time(self):
        return super().time() - 7200


async def test_a_server_whose_clock_jumps_ahead_forgets_nothing(database, driver):
    async with database(driver) as (url, administrator):
        manager = DatabaseManager(DatabaseConfig(url=url), clock=Behind())
        try:
            await manager.transact(write)
            async with administrator.connect() as connection:
                before = "UPDATE koo.commit_tokens SET made = now() - interval '2 hours'"
                await connection.execute(text(before))
            await manager._engines.witnesses._clean()
            assert await scalar(administrator, TOKENS) == 1
        finally:
            await manager.close()


async def until_quiet():
    while cleaning := [t for t in asyncio.all_tasks() if t.get_name() == "koo: old commit tokens"]:
        await asyncio.wait(cleaning)


# -- a lost COMMIT ----------------------------------------------------------------------------

CUTS = [
    (Action.CUT, Direction.TO_SERVER, 2),
    (Action.ORPHAN, Direction.TO_SERVER, 2),
    (Action.CUT, Direction.TO_CLIENT, 1),
]


@pytest.mark.parametrize(("action", "direction", "runs"), CUTS)
async def test_a_token_tells_and_the_repetition_is_free_and_meets_no_lock(
    through_proxy, action, direction, runs
):
    budget = RetryBudget()
    async with through_proxy(retry_budget=budget) as (manager, proxy, direct):
        await direct.transact(insert_into_ledger)
        await manager.transact(look)
        began = asyncio.get_running_loop().time()
        before = budget.stats(began).balance
        proxy.hook, ran = cutting(action, direction), []

        async def increment(session):
            ran.append(1)
            await session.execute(text("UPDATE ledger SET n = n + 1"))
            return "incremented"

        assert await manager.transact(increment) == "incremented"
        assert len(ran) == runs
        ended = asyncio.get_running_loop().time()
        assert ended - began < 15
        assert budget.stats(ended).balance >= before
        async with direct.session_scope() as session:
            assert (await session.execute(text("SELECT n FROM ledger"))).scalar_one() == 2
        pool = manager.stats().pool
        assert (pool.active, pool.invalidated_total) == (0, 1)


async def insert_into_ledger(session):
    await session.execute(text("INSERT INTO ledger VALUES (1)"))


async def test_a_commit_of_ones_own_is_found_out_where_it_stands(through_proxy):
    async with through_proxy() as (manager, proxy, direct):
        await manager.transact(look)
        proxy.hook, ran = cutting(Action.CUT, Direction.TO_CLIENT), []

        async def commits_itself(session):
            ran.append(1)
            await insert_into_ledger(session)
            await session.commit()
            return await look(session)

        assert await manager.transact(commits_itself) == 7
        assert len(ran) == 1
        async with direct.session_scope() as session:
            count = await session.execute(text("SELECT count(*) FROM ledger"))
            assert count.scalar_one() == 1


async def test_what_is_absent_after_the_last_attempt_is_an_error_that_says_so(through_proxy):
    async with through_proxy() as (manager, proxy, direct):
        await manager.transact(look)
        proxy.hook = cutting(Action.CUT, Direction.TO_SERVER)
        with pytest.raises(exc.DBAPIError) as caught:
            await manager.transact(insert_into_ledger, max_retries=0)
        assert "database: it was found out that nothing was committed" in caught.value.__notes__
        async with direct.session_scope() as session:
            count = await session.execute(text("SELECT count(*) FROM ledger"))
            assert count.scalar_one() == 0


# -- PostgreSQL without the right to make a table ----------------------------------------------


@asynccontextmanager
async def as_a_stranger(database, driver, opened, proxy_hook=None, **config):
    """A manager whose role may use the schema `public` and nothing else; an administrator."""
    async with database(driver, role="stranger") as (url, administrator):
        async with administrator.connect() as connection:
            await connection.execute(text("CREATE TABLE written (n INTEGER)"))
            await connection.execute(text("GRANT ALL ON written TO stranger"))
        port = int(url.rpartition(":")[2].partition("/")[0])
        async with FaultProxy("127.0.0.1", port) as proxy:
            through = url.replace(f":{port}/", f":{proxy.port}/")
            async with opened(through, **config) as manager:
                yield manager, proxy, administrator


async def insert(session):
    await session.execute(text("INSERT INTO written VALUES (1)"))
    return "inserted"


def cutting(action, direction):
    done = []

    def hook(chunk):
        wanted = Phase.COMMIT_REQUEST if direction is Direction.TO_SERVER else Phase.COMMIT_REPLY
        if wanted in chunk.phases and not done:
            done.append(1)
            return action
        return Action.PASS

    return hook


@pytest.mark.parametrize(
    ("action", "direction"),
    [
        (Action.CUT, Direction.TO_SERVER),
        (Action.ORPHAN, Direction.TO_SERVER),
        (Action.CUT, Direction.TO_CLIENT),
    ],
)
async def test_where_no_table_can_be_made_a_transaction_is_known_by_its_number(
    database, driver, opened, action, direction
):
    async with as_a_stranger(database, driver, opened) as (manager, proxy, administrator):
        assert await manager.transact(look) == 7
        assert isinstance(witness_of(manager), Numbers)
        proxy.hook = cutting(action, direction)
        assert await manager.transact(insert) == "inserted"
        assert await scalar(administrator, "SELECT count(*) FROM written") == 1
        assert await scalar(administrator, TABLES) == 0
        assert await manager.transact(look) == 7


@pytest.mark.parametrize("action", [Action.CUT, Action.ORPHAN])
async def test_what_has_no_number_has_written_nothing_and_is_repeated(
    database, driver, opened, action
):
    ran = []

    async def count(session):
        ran.append(1)
        return (await session.execute(text("SELECT count(*) FROM written"))).scalar_one()

    async with as_a_stranger(database, driver, opened) as (manager, proxy, _):
        assert await manager.transact(count) == 0
        proxy.hook = cutting(action, Direction.TO_SERVER)
        assert await manager.transact(count) == 0
        assert len(ran) == 3


async def test_a_table_that_one_may_not_use_is_left_alone(database, driver, opened):
    async with as_a_stranger(database, driver, opened) as (manager, _, administrator):
        config = DatabaseConfig(url=str(administrator.url))
        async with opened(config.url) as owner:
            await owner.transact(look)
        assert await manager.transact(look) == 7
        assert isinstance(witness_of(manager), Numbers)


@pytest.mark.parametrize(
    ("number", "cluster", "marks", "fate"),
    [
        ("ours", "ours", "ours", "COMMITTED"),
        ("ours", "ours", "after a crash", "UNKNOWN"),
        ("ours", "another", "ours", "UNKNOWN"),
        ("aborted", "ours", "ours", "ABSENT"),
        ("aborted", "ours", "after a crash", "ABSENT"),
        ("aborted", "another", "ours", "UNKNOWN"),
        ("999999999999", "ours", "ours", "UNKNOWN"),
        ("3", "ours", "ours", "UNKNOWN"),
    ],
)
async def test_what_is_said_of_a_number_is_believed_only_if_nothing_has_crashed(
    database, opened, number, cluster, marks, fate
):
    from koo.database.commit.numbers import _BEFORE, _Trace

    async with database("asyncpg") as (_, administrator):
        before = text(_BEFORE.format("pg_current_xact_id()"))
        plain = administrator.execution_options(isolation_level="READ COMMITTED")
        numbers = {}
        for name in ("ours", "aborted"):
            async with plain.connect() as connection:
                found, here, now = (await connection.execute(before)).one()
                numbers[name] = found
                await (connection.commit() if name == "ours" else connection.rollback())
        trace = _Trace(
            numbers.get(number, number),
            here if cluster == "ours" else cluster,
            now if marks == "ours" else marks,
            Backend("", 0, "nobody", 0.0, 0.0),
            FakeClock(),
        )
        terms = driver_of("asyncpg").arguments(5.0)
        asker = create_async_engine(administrator.url, connect_args=terms)
        async with asker.connect() as connection:
            assert (await trace.judge(connection)).name == fate
        await asker.dispose()
