"""A login that was under way when the credentials changed stayed as the old user for an hour."""

import asyncio

import asyncpg
import pytest
from sqlalchemy import text

from koo.database import Credentials, DatabaseConfig, DatabaseManager
from koo.testing import Action, FaultProxy, PostgresServer

pytestmark = pytest.mark.integration


@pytest.fixture
def server():
    with PostgresServer(settings={"fsync": "off"}) as server:
        asyncio.run(make_users(server))
        yield server


async def make_users(server):
    connection = await asyncpg.connect(server.url(""))
    await connection.execute("CREATE ROLE first LOGIN; CREATE ROLE second LOGIN")
    await connection.close()


async def users_of(manager):
    """Who has logged in by the two connections."""

    async def user(gate):
        async with manager.session_scope() as session:
            await gate.wait()
            return (await session.execute(text("SELECT session_user"))).scalar_one()

    gate = asyncio.Barrier(2)
    return {await one for one in [asyncio.ensure_future(user(gate)) for _ in range(2)]}


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_who_arrives_as_the_old_user_is_replaced(server, driver):
    dialed, changed, calls = asyncio.Event(), asyncio.Event(), []

    async def vault():
        calls.append(1)
        if len(calls) == 1:
            return Credentials(user="first", password="x", lifetime=2.5)
        await dialed.wait()
        changed.set()
        return Credentials(user="second", password="x")

    async def hold_up(chunk):
        """The second login waits until there are others to log in as."""
        if chunk.connection == 2:
            dialed.set()
            await changed.wait()
        return Action.PASS

    async def are_second():
        return await users_of(manager) == {"second"}

    async with FaultProxy("127.0.0.1", server.port) as proxy:
        url = server.url(driver, port=proxy.port)
        limits = {"pool_size": 2, "max_overflow": 0, "check_timeout": 30.0}
        config = DatabaseConfig(url=url, credentials=vault, commit_tokens="off", **limits)
        manager = DatabaseManager(config)
        try:
            async with manager.session_scope() as session:
                await session.execute(text("SELECT 1"))
            proxy.hook = hold_up
            assert await users_of(manager) == {"first"}
            async with asyncio.timeout(60):
                while not await are_second():
                    await asyncio.sleep(0.05)
            assert len(calls) == 2
        finally:
            await manager.close()
