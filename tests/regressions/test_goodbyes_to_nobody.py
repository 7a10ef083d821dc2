"""A dead connection of psycopg was asked to cancel what it did not do, by a connection of its own.

So one killed backend cost two connections to the server instead of one.
"""

import asyncio

import pytest
from psycopg.pq import TransactionStatus

from koo.database.drivers import abort, driver
from koo.testing import FaultProxy

pytestmark = pytest.mark.integration


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("works", [False, True])
async def test_only_who_works_is_asked_to_stop(server, works):
    async with FaultProxy("127.0.0.1", server.port) as proxy:
        made = driver("psycopg").PromptConnection
        connection = await made.connect(server.url("", port=proxy.port), autocommit=True)
        if works:
            task = asyncio.create_task(connection.execute("SELECT pg_sleep(30)"))
            await until(lambda: connection.pgconn.transaction_status == TransactionStatus.ACTIVE)
        abort(connection)
        if works:
            await asyncio.wait([task])
            assert task.exception() is not None
        await until(lambda: proxy.traffic.accepted_total > works)
        await asyncio.sleep(0.3)
        assert proxy.traffic.accepted_total == 1 + works
        await connection.close()
