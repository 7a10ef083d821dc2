"""A real PostgreSQL that speaks TLS: who is trusted, and that everything still ends in time."""

import asyncio
import os
import time

import pytest
from sqlalchemy import exc, text

from koo.database import Kind, judge
from koo.database.drivers.liveness import alarm_of
from koo.resilience import RetryConfig
from koo.testing import Action, BlackHole, Direction, FaultProxy, PostgresServer
from koo.testing.servers.launch import how_to_launch

from ..servers import postgres_with_tls

pytestmark = pytest.mark.integration

ONCE = RetryConfig(max_retries=0)


@pytest.fixture(scope="session")
def encrypted(papers):
    """A server that shows a certificate for 127.0.0.1."""
    settings = {
        "fsync": "off",
        "ssl": "on",
        "ssl_cert_file": str(papers / "shown.pem"),
        "ssl_key_file": str(papers / "key.pem"),
    }
    binaries = postgres_with_tls()
    launch = how_to_launch()
    if launch.user is not None:
        os.chown(papers / "key.pem", launch.user, launch.user)
    with PostgresServer(binaries=binaries, settings=settings, launch=launch) as server:
        yield server


@pytest.fixture
def trusted(encrypted, papers, driver, opened):
    """`async with trusted(port=..., authority=...) as manager`."""

    def trusted(*, port=None, authority="ours", mode="verify-full", host="127.0.0.1", **config):
        url = encrypted.url(driver, port=port).replace("127.0.0.1", host)
        asked = f"?sslmode={mode}&sslrootcert={papers}/{authority}.pem"
        return opened(url + asked, **{"retry": ONCE, **config})

    return trusted


async def run(manager, statement):
    async with manager.session_scope() as session:
        return (await session.execute(text(statement))).scalar()


IS_ENCRYPTED = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
async def test_who_shows_the_right_papers_is_spoken_to_in_secret(trusted, mode):
    async with trusted(mode=mode) as manager:
        assert await run(manager, IS_ENCRYPTED) is True
        assert (await manager.check()).state == "healthy"


@pytest.mark.parametrize(
    "terms", [{"authority": "others"}, {"host": "localhost"}, {"authority": "empty"}]
)
async def test_who_is_not_trusted_is_asked_once_and_never_again(trusted, encrypted, terms):
    async with FaultProxy("127.0.0.1", encrypted.port) as proxy:
        retry = RetryConfig(max_retries=3)
        async with trusted(port=proxy.port, retry=retry, **terms) as manager:
            with pytest.raises(exc.OperationalError) as caught:
                await manager.transact(lambda session: session.execute(text("SELECT 2")))
        assert proxy.traffic.accepted_total <= 1
    found = judge(caught.value)
    assert (found.kind, found.failure.retryable) == (Kind.CONFIGURATION, False)
    assert not found.failure.trips


async def test_a_server_without_papers_is_not_spoken_to(postgres, driver, opened):
    async with opened(f"{postgres.url(driver)}?sslmode=require") as manager:
        with pytest.raises(exc.OperationalError) as caught:
            await run(manager, "SELECT 2")
    assert judge(caught.value).kind is Kind.CONFIGURATION


@pytest.mark.parametrize("answered", [0, 1], ids=["unanswered", "half-way"])
async def test_a_handshake_that_goes_dark_ends_in_time(trusted, encrypted, answered):
    async with FaultProxy("127.0.0.1", encrypted.port) as proxy:
        asked = []

        def hook(chunk):
            if chunk.direction is Direction.TO_SERVER:
                asked.append(chunk)
            return Action.PASS if len(asked) <= answered else Action.DROP

        proxy.hook = hook
        async with trusted(port=proxy.port, check_timeout=1.0) as manager:
            began = time.monotonic()
            with pytest.raises(exc.OperationalError) as caught:
                await run(manager, "SELECT 2")
            assert time.monotonic() - began < 20
    assert judge(caught.value).kind is Kind.TIMEOUT
    assert len(asked) == answered + 1


async def test_an_idle_connection_is_silent_and_a_killed_one_is_replaced(trusted):
    async with trusted(pool_size=1, max_overflow=0) as manager:
        async with manager.session_scope() as session:
            backend = (await session.execute(text("SELECT pg_backend_pid()"))).scalar()
            raw = (await session.connection()).sync_connection.connection.driver_connection
        alarm = alarm_of(raw)
        await asyncio.sleep(0.05)
        assert not alarm()
        assert await run(manager, "SELECT pg_backend_pid()") == backend
        async with trusted() as other:
            await run(other, f"SELECT pg_terminate_backend({backend})")
        async with asyncio.timeout(20):
            while not alarm():
                await asyncio.sleep(0.01)
        assert await run(manager, "SELECT pg_backend_pid()") != backend
        assert not manager.stats().errors


@pytest.mark.parametrize("network", ["well", "dark"])
async def test_a_statement_is_torn_off_in_time_and_the_server_stops(trusted, encrypted, network):
    async with FaultProxy("127.0.0.1", encrypted.port) as proxy, trusted() as look:
        terms = {"timeout": 1.0, "attempt_timeout": 1.0}
        async with trusted(port=proxy.port, **terms) as manager:
            await run(manager, "SELECT 2")
            await run(look, "SELECT 2")
            asleep = f"SELECT pg_sleep(60), '{network}'"

            async def work(session):
                if network == "dark":
                    asyncio.get_running_loop().call_later(0.1, darken)
                await session.execute(text(asleep))

            def darken():
                proxy.black_hole = BlackHole.ALL

            began = time.monotonic()
            with pytest.raises(TimeoutError):
                await manager.transact(work)
            assert time.monotonic() - began < 20
            busy = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = $${}$$"
            async with asyncio.timeout(20):
                while await run(look, busy.format(asleep)):
                    await asyncio.sleep(0.02)


@pytest.mark.parametrize("authority", ["ours", "others"])
async def test_a_mariadb_shows_its_papers_too(mariadb, papers, opened, authority):
    url = f"{mariadb.url()}?ssl_ca={papers}/{authority}.pem"
    async with opened(url) as manager:
        if authority == "ours":
            assert await run(manager, "SELECT @@ssl_cert") == str(papers / "shown.pem")
            question = "SHOW SESSION STATUS LIKE 'Ssl_version'"
            async with manager.session_scope() as session:
                assert (await session.execute(text(question))).one()[1].startswith("TLS")
            return
        with pytest.raises(exc.OperationalError) as caught:
            await run(manager, "SELECT 2")
    found = judge(caught.value)
    assert (found.kind, found.failure.retryable) == (Kind.CONFIGURATION, False)
