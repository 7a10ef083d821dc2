"""Ports and the end of a connection."""

import asyncio
import socket
import types

import pytest

from koo.testing.sockets import SERVER_PORTS, free_port, reset


def test_a_free_port_is_free_and_outside_the_range_of_outgoing_connections():
    port = free_port()
    assert port in SERVER_PORTS
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", port))


def test_a_port_that_is_taken_is_not_given(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        taken_port = taken.getsockname()[1]
        other = free_port()
        draws = iter([taken_port, other])
        monkeypatch.setattr(
            "koo.testing.sockets.random",
            types.SimpleNamespace(choice=lambda _: next(draws)),
        )
        assert free_port() == other


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
