"""Credentials that are rotated under load are noticed by nobody."""

import asyncio
import time

import pytest
from sqlalchemy import text

from koo.database import Credentials
from koo.testing import Action, FaultProxy, Phase, PostgresServer

from ..saying import say_to
from .conftest import FAST

READERS = 8


@pytest.fixture(scope="module")
def guarded():
    """A server that asks `app` for a password."""
    with PostgresServer(settings=FAST) as server:
        asyncio.run(say_to(server, "CREATE ROLE app LOGIN"))
        rules = server.folder / "data" / "pg_hba.conf"
        rules.write_text(f"host all app all scram-sha-256\n{rules.read_text()}")
        asyncio.run(say_to(server, "SELECT pg_reload_conf()"))
        yield server


class Rotation:
    """A password that is another every *period*, and whoever asks what it is now."""

    def __init__(self, server, period):
        self.server = server
        self.period = period
        self.number = self.calls = 0
        self.next = 0.0

    async def rotate(self):
        self.number += 1
        self.next = time.monotonic() + self.period
        await say_to(self.server, f"ALTER ROLE app PASSWORD '{self.password}'")

    async def keep_rotating(self):
        while True:
            await asyncio.sleep(self.next - time.monotonic())
            await self.rotate()

    @property
    def password(self):
        return f"number {self.number}"

    async def __call__(self):
        self.calls += 1
        lifetime = max(0.01, self.next - time.monotonic())
        return Credentials(user="app", password=self.password, lifetime=lifetime)


def url_of(server, driver):
    return f"postgresql+{driver}://nobody@127.0.0.1:{server.port}/postgres"


@pytest.mark.integration
async def test_a_refused_login_is_repeated_once_with_newer_credentials(guarded, driver, opened):
    rotation = Rotation(guarded, 3600)
    await rotation.rotate()
    async with opened(url_of(guarded, driver), credentials=rotation) as manager:
        await one_read(manager)
        await rotation.rotate()
        await manager.engine.dispose()
        await one_read(manager)
        assert (rotation.calls, manager.stats().errors) == (2, ())
        assert (await manager.check()).check.ok


@pytest.mark.integration
async def test_who_may_not_log_in_any_more_is_asked_for_anew(guarded, driver, opened):
    """Two users take turns: the one that rests may not log in."""
    users = ["resting", "app"]
    await say_to(guarded, "DROP ROLE IF EXISTS resting", "CREATE ROLE resting NOLOGIN")

    async def take_turns():
        return Credentials(user=users.pop(0), password=rotation.password)

    rotation = Rotation(guarded, 3600)
    await rotation.rotate()
    async with opened(url_of(guarded, driver), credentials=take_turns) as manager:
        await one_read(manager)
        assert users == []


@pytest.mark.integration
@pytest.mark.parametrize("refused", [0, 3])
async def test_a_password_that_changes_while_a_lost_commit_is_looked_for_hides_nothing(
    guarded, driver, opened, refused
):
    """It is fetched anew, as often as the vault is still behind the server."""
    rotation, late = Rotation(guarded, 3600), []
    await rotation.rotate()
    await say_to(
        guarded,
        "DROP TABLE IF EXISTS ledger",
        "CREATE TABLE ledger (n INTEGER)",
        "GRANT ALL ON ledger TO app",
        "GRANT CREATE ON DATABASE postgres TO app",
    )

    async def vault():
        if late:
            return late.pop()
        return await rotation()

    async def rotate_and_cut(chunk):
        if Phase.COMMIT_REPLY not in chunk.phases:
            return Action.PASS
        proxy.hook = None
        old = await rotation()
        await rotation.rotate()
        late.extend([old] * refused)
        return Action.CUT

    async def write(session):
        await session.execute(text("INSERT INTO ledger VALUES (1)"))
        return "written"

    async with FaultProxy("127.0.0.1", guarded.port) as proxy:
        url = f"postgresql+{driver}://nobody@127.0.0.1:{proxy.port}/postgres"
        async with opened(url, credentials=vault) as manager:
            await manager.transact(write)
            proxy.hook = rotate_and_cut
            assert await manager.transact(write, max_retries=0) == "written"
            assert late == []
    assert await say_to(guarded, "SELECT count(*) FROM ledger") == 2


@pytest.mark.integration
async def test_a_login_refused_with_the_newest_credentials_is_the_configurations_fault(
    guarded, driver, opened
):
    calls = []

    async def wrong():
        calls.append(None)
        return Credentials(user="app", password="wrong")

    async with opened(url_of(guarded, driver), credentials=wrong) as manager:
        with pytest.raises(Exception, match="password authentication failed"):
            await one_read(manager)
        assert (len(calls), dict(manager.stats().errors)) == (2, {"configuration": 1})


@pytest.mark.integration
async def test_sessions_of_older_credentials_are_replaced_and_those_who_have_them_keep_them(
    guarded, driver, opened
):
    rotation = Rotation(guarded, 1)
    await rotation.rotate()
    async with opened(url_of(guarded, driver), credentials=rotation, pool_size=2) as manager:
        async with manager.session_scope() as session:
            mine = await backend(session)
            await one_read(manager)
            rotation.period = 3600
            await rotation.rotate()
            async with asyncio.timeout(30):
                while manager.stats().pool.recycled_total < 2:
                    await asyncio.sleep(0.05)
            assert await backend(session) == mine
        async with manager.session_scope() as session:
            assert await backend(session) != mine


@pytest.mark.properties
@pytest.mark.timeout(300)
@pytest.mark.integration
async def test_rotated_every_two_seconds_under_load_no_request_fails(
    guarded, driver, opened, scale, record_property
):
    seconds = 60 * scale
    rotation = Rotation(guarded, 2)
    await rotation.rotate()
    served = 0

    async def read_on(manager, until):
        nonlocal served
        while time.monotonic() < until:
            await one_read(manager)
            served += 1
            await asyncio.sleep(0.01)

    # Each connection lives for a second, so that there are logins all the time.
    async with opened(url_of(guarded, driver), credentials=rotation, pool_recycle=1) as manager:
        rotating = asyncio.create_task(rotation.keep_rotating())
        until = time.monotonic() + seconds
        await asyncio.gather(*(read_on(manager, until) for _ in range(READERS)))
        rotating.cancel()
        stats = manager.stats()
    assert served > 10 * seconds / 6
    assert stats.errors == ()
    assert stats.pool.created_total > READERS
    # One before each expiry, one at it, and one if a login came between the change and the news.
    assert rotation.calls <= 3 * rotation.number + 3
    counted = {"requests": served, "passwords": rotation.number, "calls": rotation.calls}
    record_property("counted", {"driver": driver, "failed": len(stats.errors), **counted})


async def one_read(manager):
    async with manager.session_scope() as session:
        return (await session.execute(text("SELECT 1"))).scalar_one()


async def backend(session):
    return (await session.execute(text("SELECT pg_backend_pid()"))).scalar_one()
