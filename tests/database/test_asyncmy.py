"""What koo adds to asyncmy, on as much of a server as that needs."""

import asyncio
from types import SimpleNamespace

import asyncmy.errors
import pytest
from sqlalchemy import exc

from koo.database.drivers import abort
from koo.database.drivers.goodbye import finish_saying
from koo.database.drivers.liveness import alarm_of, is_dead, unfinished_of
from koo.database.drivers.on_asyncmy import NeverSent, alone, arguments
from koo.database.verdicts import proves_rollback

from .scripted_mysql import ScriptedMysql

pytestmark = pytest.mark.integration

WHO = "SELECT CONNECTION_ID(), CONCAT_WS(' ', @@hostname, @@port, @@server_id)"
LIMIT = "SET max_statement_time = IF(@@max_statement_time = 0, 3.5, @@max_statement_time)"
MARIADB = {
    WHO: ["7", "one and only"],
    "SHOW GLOBAL STATUS LIKE 'Uptime'": ["Uptime", "100"],
    "SELECT 9": None,
}


async def connected(server):
    return await arguments(3.0)["async_creator_fn"](host="127.0.0.1", port=server.port, user="me")


def mariadb(**answers):
    return ScriptedMysql("10.11.6-MariaDB", {**MARIADB, **answers})


async def test_a_mariadb_learns_the_limit_in_the_same_round_trip():
    async with mariadb().listening() as server:
        connection = await connected(server)
        assert server.said[-2:] == [LIMIT, WHO]
        connection.close()


async def test_a_mysql_is_not_told_what_it_does_not_know():
    async with ScriptedMysql("8.4.0", MARIADB).listening() as server:
        connection = await connected(server)
        assert server.said[-1] == WHO
        assert LIMIT not in server.said
        connection.close()


@pytest.mark.parametrize("answers", [{LIMIT: 1193}, {WHO: 1064}, {WHO: ["8", "one and only"]}])
async def test_a_strange_server_is_connected_to_and_never_asked_to_kill(answers):
    async with mariadb(**answers).listening() as server:
        connection = await connected(server)
        assert await connection.query("SELECT 2") == 0
        abort(connection)
        await finish_saying()
        assert server.said[-1] == "SELECT 2"


async def test_what_is_given_up_while_it_connects_leaves_no_socket_behind():
    async with mariadb(**{WHO: None}).listening() as server:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await connected(server)


async def test_a_server_that_ends_while_it_is_asked_is_told():
    async with mariadb(**{WHO: ConnectionError}).listening() as server:
        with pytest.raises(asyncmy.errors.OperationalError, match="Lost connection"):
            await connected(server)


@pytest.mark.parametrize("way", ["aborted", "cancelled"])
async def test_who_lets_go_has_the_server_stop(way):
    async with mariadb().listening() as server:
        connection = await connected(server)
        asking = asyncio.create_task(connection.query("SELECT 9"))
        await server.hears("SELECT 9")
        asking.cancel() if way == "cancelled" else abort(connection)
        await asyncio.wait({asking})
        await server.hears("KILL 7")
        await finish_saying()
        assert connection.is_closed()
        said = len(server.said)
        abort(connection)
        await finish_saying()
        assert len(server.said) == said


@pytest.mark.parametrize(
    "changed",
    [
        {WHO: ["7", "another"]},
        {"SHOW GLOBAL STATUS LIKE 'Uptime'": ["Uptime", "-5"]},
    ],
)
async def test_a_number_that_may_be_somebody_elses_is_not_killed(changed):
    async with mariadb().listening() as server:
        connection = await connected(server)
        server._answers |= changed
        abort(connection)
        await server.hears("SHOW GLOBAL STATUS LIKE 'Uptime'")
        await finish_saying()
        assert "KILL 7" not in server.said


async def test_a_connection_that_the_server_ends_is_known_to_be_dead_for_free():
    async with mariadb().listening() as server:
        connection = await connected(server)
        alarm = alarm_of(connection)
        assert not alarm()
        assert not is_dead(alarm)
    async with asyncio.timeout(20):
        while not is_dead(alarm):
            await asyncio.sleep(0.005)
    assert alarm()


async def test_no_commit_is_sent_between_a_statement_and_its_answer():
    """Its answer would be taken for that of the COMMIT."""
    sent, is_asked = [], asyncio.Lock()
    adapter = SimpleNamespace(_execute_mutex=is_asked)
    lent = SimpleNamespace(dbapi_connection=adapter)
    commit = alone(sent.append)
    async with is_asked:
        with pytest.raises(NeverSent, match="another operation is in progress") as caught:
            commit(lent)
        assert sent == []
    assert proves_rollback(exc.InterfaceError(None, None, caught.value))
    commit(lent)
    assert sent == [lent]


async def test_a_connection_is_unfinished_while_a_statement_is_on_its_way():
    adapter = SimpleNamespace(_execute_mutex=asyncio.Lock())
    async with mariadb().listening() as server:
        connection = await connected(server)
        is_unfinished = unfinished_of(adapter, connection)
        assert not is_unfinished()
        async with adapter._execute_mutex:
            assert is_unfinished()
        connection.close()
