"""Ports and the end of a connection."""

import asyncio
import contextlib
import errno
import itertools
import socket
import types

import pytest

from koo.testing import sockets
from koo.testing.sockets import SERVER_PORTS, SHARE, free_port, reset


def test_a_free_port_is_free_and_outside_the_range_of_outgoing_connections():
    port = free_port()
    assert port in SERVER_PORTS
    socket.create_server(("127.0.0.1", port)).close()


def test_a_port_that_is_taken_is_not_given(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        other = free_port()
        draws = iter([taken.getsockname()[1], other])
        monkeypatch.setattr("koo.testing.sockets._own", lambda _: draws)
        assert free_port() == other


def test_when_all_ports_are_taken_it_says_so(monkeypatch):
    """It asked for them in turn, for ever."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        draws = itertools.cycle([taken.getsockname()[1]])
        monkeypatch.setattr("koo.testing.sockets._own", lambda _: draws)
        with pytest.raises(OSError, match="none of the 500 ports") as caught:
            free_port()
    assert caught.value.errno == errno.EADDRINUSE


def test_nobody_else_gets_a_port_before_it_is_listened_on():
    """Two proxies that were made at the same time had the same port now and then."""
    given = [free_port() for _ in range(100)]
    assert len(set(given)) == len(given)


@pytest.fixture
def drawn(monkeypatch):
    """Draws as a new process does, which lives until the test ends."""
    with contextlib.ExitStack() as living:
        ends = types.SimpleNamespace(register=living.callback)
        monkeypatch.setattr("koo.testing.sockets.atexit", ends)
        yield sockets._draw


def test_two_processes_share_no_port(drawn):
    one, other = drawn(), drawn()
    assert len(set(one)) == len(set(other)) == SHARE
    assert not set(one) & set(other)


def test_who_comes_when_all_shares_are_taken_draws_from_all(drawn, monkeypatch):
    two = SERVER_PORTS[: 2 * SHARE]
    monkeypatch.setattr("koo.testing.sockets.SERVER_PORTS", two)
    assert sorted([drawn() for _ in range(3)][-1]) == list(two)


@pytest.mark.integration
async def test_a_reset_connection_ends_with_an_error_and_not_with_an_end():
    async def reset_it(_reader, writer):
        reset(writer.transport)
        reset(writer.transport)

    async with await asyncio.start_server(reset_it, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        writer.close()
