"""With psycopg, asking the server to cancel failed at once where no route led to it any more.

The error left through the tearing off, which therefore did not happen.
"""

import asyncio
import contextlib
import socket
from types import SimpleNamespace

import psycopg
import pytest
from psycopg.pq import ConnStatus, TransactionStatus

from koo.database.drivers import on_psycopg


class NoRoute:
    """A cancellation that can't even be begun."""

    def __init__(self):
        self.is_reset = False

    def start(self):
        raise psycopg.OperationalError("network is unreachable")

    def reset(self):
        self.is_reset = True


@pytest.mark.integration
async def test_without_a_route_a_connection_is_torn_off_all_the_same():
    ours, theirs = socket.socketpair()
    request = NoRoute()
    pgconn = SimpleNamespace(
        status=ConnStatus.OK,
        transaction_status=TransactionStatus.ACTIVE,
        socket=ours.fileno(),
        cancel_conn=lambda: request,
    )
    with contextlib.closing(ours), contextlib.closing(theirs):
        on_psycopg.abort(SimpleNamespace(pgconn=pgconn, prepare_threshold=5))
        theirs.settimeout(1)
        assert theirs.recv(1) == b""
        await asyncio.sleep(0.01)
    assert request.is_reset
