"""Whoever started hundreds of servers within a minute was told that no port was free.

A connection that its server has ended rests on the port for a minute, and counted as somebody who
listens there.
"""

import itertools
import socket

import pytest

from koo.testing import free_port, sockets

pytestmark = pytest.mark.integration


@pytest.fixture
def only_port(monkeypatch):
    """The one port that this process may give."""
    port = free_port()
    monkeypatch.setattr(sockets, "_own", lambda _: itertools.cycle([port]))
    return port


def serve_once(port):
    """Accept a connection, end it first, and listen no more."""
    with (
        socket.create_server(("127.0.0.1", port)) as server,
        socket.create_connection(("127.0.0.1", port)) as client,
    ):
        server.accept()[0].close()
        assert client.recv(1) == b""


def test_a_port_is_free_as_soon_as_nobody_listens_there(only_port):
    serve_once(only_port)
    assert free_port() == only_port


def test_a_port_where_somebody_listens_is_not(only_port):
    with (
        socket.create_server(("127.0.0.1", only_port)),
        pytest.raises(OSError, match="end a server first"),
    ):
        free_port()
