"""PgBouncer in transaction mode before a real PostgreSQL: no transaction knows its backend."""

import asyncio
import contextlib
import struct

import pytest
from sqlalchemy import exc, text
from sqlalchemy.ext.asyncio import create_async_engine

from koo.database import Kind, judge
from koo.database.hosts import vanishing
from koo.errors import CommitOutcomeUnknown
from koo.resilience import RetryConfig
from koo.testing import Action, FaultProxy, LinkFault, Phase

from ..servers import Pgbouncer

pytestmark = pytest.mark.integration

ONCE = RetryConfig(max_retries=0)
BACKEND = "SELECT pg_backend_pid()"
CANCEL = struct.pack("!ii", 16, 80877102)


@pytest.fixture(scope="session")
def bouncer(postgres):
    with Pgbouncer(postgres.port) as pooler:
        yield pooler


@pytest.fixture
def bounced(bouncer, driver, opened):
    """`async with bounced() as manager`."""
    return lambda **config: opened(bouncer.url(driver), **{"retry": ONCE, **config})


async def run(manager, statement, times=1, **terms):
    async with manager.session_scope(**terms) as session:
        for _ in range(times - 1):
            await session.execute(text(statement))
        return (await session.execute(text(statement))).scalar()


async def test_a_statement_used_often_is_understood_by_every_backend(bounced):
    async with bounced() as manager, bounced() as other:
        first = await run(manager, BACKEND, times=10)
        async with other.session_scope() as session:
            # The backend that came back last is the next to be given.
            assert (await session.execute(text(BACKEND))).scalar() == first
            assert await run(manager, BACKEND, times=10) != first


@pytest.mark.parametrize("driver", ["asyncpg"])
async def test_without_our_terms_the_next_backend_does_not_know_the_statement(bouncer, bounced):
    plain = create_async_engine(bouncer.url("asyncpg"))
    try:
        async with bounced() as other, plain.connect() as connection:
            await connection.execute(text(BACKEND))
            await connection.rollback()
            async with other.session_scope() as session:
                await session.execute(text(BACKEND))
                with pytest.raises(exc.DBAPIError, match="prepared statement .* does not exist"):
                    await connection.execute(text(BACKEND))
            await connection.invalidate()
    finally:
        await plain.dispose()


async def test_many_clients_of_few_backends_never_meet_each_others_statements(bounced):
    async with bounced() as one, bounced() as other:

        async def work(manager, number):
            async with manager.session_scope() as session:
                for k in range(3):
                    found = await session.execute(
                        text(f"SELECT {number % 7}, CAST(:n AS int)"), {"n": number + k}
                    )
                    assert tuple(found.one()) == (number % 7, number + k)
                    found = await session.execute(text(f"SELECT ARRAY[{number}], '[1]'::jsonb"))
                    assert tuple(found.one()) == ([number], [1])

        await asyncio.gather(*(work((one, other)[n % 2], n) for n in range(100)))


async def test_what_a_transaction_sets_ends_with_it(bounced):
    """Both share one backend; one has a deadline and terms of its own, the other has not."""
    async with bounced(pool_size=1, max_overflow=0) as one, bounced(pool_size=1) as other:
        questions = ("statement_timeout", "transaction_isolation", "transaction_read_only")

        async def settings(session):
            backend = (await session.execute(text(BACKEND))).scalar()
            asked = [(await session.execute(text(f"SHOW {name}"))).scalar() for name in questions]
            return backend, asked

        for _ in range(5):
            mine, limited = await one.transact(
                settings, readonly=True, isolation_level="SERIALIZABLE"
            )
            async with other.session_scope() as session:
                theirs, free = await settings(session)
            assert mine == theirs
            assert limited[0] != "0"
            assert limited[1:] == ["serializable", "on"]
            assert free == ["0", "read committed", "off"]


async def test_a_backend_of_others_is_told_of_our_clients_for_a_transaction_only(
    bounced, bouncer, driver
):
    question = "SHOW client_connection_check_interval"
    plain = create_async_engine(bouncer.url("psycopg"), isolation_level="AUTOCOMMIT")
    async with bounced() as manager, plain.connect() as other:
        assert await run(manager, question) == "1s"
        assert (await other.execute(text(question))).scalar() == "0"
    await plain.dispose()


async def test_a_backend_of_others_is_told_nothing_of_idle_clients(bounced):
    async with bounced() as manager:
        idle = "SELECT source FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout'"
        assert await run(manager, idle) == "default"


async def test_a_pooler_is_noticed_behind_the_second_address_as_well(
    postgres, bouncer, driver, opened
):
    async with FaultProxy("127.0.0.1", postgres.port) as proxy:
        straight = postgres.url(driver, port=proxy.port)
        url = straight.replace(f":{proxy.port}", f":{proxy.port},127.0.0.1:{bouncer.port}")
        async with opened(url, retry=ONCE, pool_size=1) as manager:
            assert await is_pinned(manager)
            await proxy.stop()
            with contextlib.suppress(exc.DBAPIError):
                await run(manager, BACKEND)
            assert not await is_pinned(manager)


async def is_pinned(manager):
    async with manager.engine.connect() as connection:
        return (await connection.get_raw_connection()).driver_connection.is_pinned


async def test_autocommit_works_or_is_refused_before_anything_is_sent(bounced, driver):
    async with bounced() as manager:
        if driver == "psycopg":
            assert await run(manager, "SELECT 3", isolation_level="AUTOCOMMIT") == 3
            return
        with pytest.raises(exc.InterfaceError, match="AUTOCOMMIT is not safe .* use a transaction"):
            await run(manager, "SELECT 3", isolation_level="AUTOCOMMIT")
        assert await run(manager, "SELECT 3") == 3


async def test_the_health_check_passes_the_pooler(bounced):
    async with bounced() as manager:
        assert (await manager.check()).state == "healthy"


async def test_the_server_stops_when_the_deadline_is_over(bounced, postgres, driver, opened):
    asleep = f"SELECT pg_sleep(60), '{driver}'"
    async with bounced(timeout=1, attempt_timeout=1) as manager, opened(postgres.url()) as look:
        await run(manager, "SELECT 2")
        await run(look, "SELECT 2")
        with pytest.raises(TimeoutError):
            await manager.transact(lambda session: session.execute(text(asleep)))
        active = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = $${}$$"
        async with asyncio.timeout(20):
            while await run(look, active.format(asleep)):
                await asyncio.sleep(0.02)


async def test_the_server_stops_for_a_caller_who_is_cancelled_without_a_deadline(
    bounced, postgres, driver, opened
):
    asleep = f"SELECT pg_sleep(300), '{driver}'"
    active = (
        f"SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = $${asleep}$$"
    )
    async with bounced() as manager, opened(postgres.url()) as look:
        calling = asyncio.create_task(run(manager, asleep))
        async with asyncio.timeout(20):
            while not await run(look, active):
                await asyncio.sleep(0.02)
            calling.cancel()
            while await run(look, active):
                await asyncio.sleep(0.02)


async def test_no_request_to_cancel_is_sent_to_a_pooler(bouncer, driver, opened):
    """It comes too late, and PgBouncer 1.18 dies of one whose sender leaves early."""
    async with (
        FaultProxy("127.0.0.1", bouncer.port) as proxy,
        opened(bouncer.url(driver, port=proxy.port), timeout=1, attempt_timeout=1) as manager,
    ):
        await run(manager, "SELECT 2")
        said = []
        proxy.hook = lambda chunk: said.append(chunk.payload) or Action.PASS
        with pytest.raises(TimeoutError):
            await manager.transact(lambda session: session.execute(text("SELECT pg_sleep(60)")))
        await manager.close()
        assert any(b"pg_sleep" in payload for payload in said)
        assert not any(payload.startswith(CANCEL) for payload in said)


async def test_a_server_that_cannot_look_for_its_client_is_used_without(
    bounced, driver, monkeypatch
):
    monkeypatch.setattr(vanishing, "_CHECK", ("no_such_setting", "1000"))
    async with bounced() as manager:
        assert await run(manager, "SHOW client_connection_check_interval") == "0"


async def test_a_commit_lost_on_the_way_to_the_pooler_is_called_unknown(bouncer, driver, opened):
    async with FaultProxy("127.0.0.1", bouncer.port) as proxy:
        url = bouncer.url(driver, port=proxy.port)
        async with opened(url, retry=ONCE) as manager:
            await run(manager, "SELECT 2")
            proxy.strike(LinkFault.RESET, Phase.COMMIT_REPLY)
            with pytest.raises(CommitOutcomeUnknown):
                async with manager.session_scope() as session:
                    await session.execute(text("SELECT pg_current_xact_id()"))


async def test_a_function_s_commit_lost_on_the_way_to_the_pooler_is_found_out(
    bouncer, driver, opened
):
    async with (
        FaultProxy("127.0.0.1", bouncer.port) as proxy,
        opened(bouncer.url(driver, port=proxy.port)) as manager,
    ):
        await manager.transact(_create_pennies)
        proxy.strike(LinkFault.RESET, Phase.COMMIT_REPLY)
        await manager.transact(_save_a_penny)
        assert await run(manager, "SELECT count(*) FROM pennies") == 1


def orphaning(proxy):
    """Take the client of the next COMMIT away, and leave the pooler alone with its transaction."""

    def hook(chunk):
        if Phase.COMMIT_REQUEST not in chunk.phases:
            return Action.PASS
        proxy.hook = None
        return Action.ORPHAN

    return hook


async def test_a_transaction_that_was_left_open_at_the_pooler_is_ended(
    bouncer, driver, opened, postgres
):
    """Its lock would hold up the repetition for as long as the pooler does not notice."""
    async with (
        FaultProxy("127.0.0.1", bouncer.port) as proxy,
        opened(bouncer.url(driver, port=proxy.port)) as manager,
    ):
        await manager.transact(_create_pennies)
        await manager.transact(_save_a_penny)
        proxy.hook, runs = orphaning(proxy), []

        async def earn(session):
            runs.append(1)
            await session.execute(text("UPDATE pennies SET n = n + 1"))

        await manager.transact(earn, max_retries=1)
        assert len(runs) == 2
        assert await run(manager, "SELECT n FROM pennies") == 2


async def test_a_fence_that_is_lost_leaves_nothing_open_at_the_pooler(
    bouncer, driver, opened, postgres
):
    """Each would take a backend from all others, for as long as the pooler does not notice."""
    left = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'"
    async with (
        FaultProxy("127.0.0.1", bouncer.port) as proxy,
        opened(bouncer.url(driver, port=proxy.port)) as manager,
        opened(postgres.url(driver)) as straight,
    ):
        await manager.transact(_create_pennies)
        fences = []

        def hook(chunk):
            is_fence = b"a COMMIT was lost" in chunk.payload
            if is_fence:
                fences.append(chunk)
            lost = is_fence and len(fences) <= 3
            return Action.ORPHAN if lost or is_first_commit(chunk) else Action.PASS

        is_first_commit = once(lambda chunk: Phase.COMMIT_REQUEST in chunk.phases)
        proxy.hook = hook
        await manager.transact(_save_a_penny)
        assert len(fences) == 4
        assert await run(straight, "SELECT n FROM pennies") == 1
        async with asyncio.timeout(20):
            while await run(straight, left):
                await asyncio.sleep(0.02)


def once(is_met):
    """Whether *is_met*, for the first time."""
    met = []

    def found(chunk):
        if met or not is_met(chunk):
            return False
        met.append(chunk)
        return True

    return found


async def _create_pennies(session):
    await session.execute(text("DROP TABLE IF EXISTS pennies"))
    await session.execute(text("CREATE TABLE pennies (n INTEGER)"))


async def _save_a_penny(session):
    await session.execute(text("INSERT INTO pennies VALUES (1)"))


async def test_what_the_pooler_cannot_pass_on_is_said_once(bouncer, opened):
    async with opened(f"{bouncer.url('psycopg')}?options=-c%20jit%3Doff") as manager:
        with pytest.raises(exc.DBAPIError, match="unsupported startup parameter") as caught:
            await run(manager, "SELECT 2")
    found = judge(caught.value)
    assert (found.kind, found.failure.retryable) == (Kind.CONFIGURATION, False)


async def test_a_pooler_that_is_gone_is_told_and_found_again(bouncer, bounced):
    async with bounced() as manager:
        await run(manager, "SELECT 2")
        bouncer.kill()
        with pytest.raises(exc.DBAPIError) as caught:
            await run(manager, "SELECT 2")
        assert judge(caught.value).kind is Kind.CONNECTION
        await asyncio.to_thread(bouncer.start)
        async with asyncio.timeout(20):
            while True:
                with contextlib.suppress(Exception):
                    assert await run(manager, "SELECT 2") == 2
                    return
                await asyncio.sleep(0.02)


async def test_nobody_is_known_by_the_number_that_a_pooler_has_invented(bounced):
    """By it a lost COMMIT would end somebody else."""
    async with bounced() as manager, manager.session_scope() as session:
        raw = await (await session.connection()).get_raw_connection()
        assert raw.driver_connection.backend_pid == 0
