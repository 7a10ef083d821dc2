"""Two things that tests want of sockets: a port to listen on, and an end without good-bye."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct

# Below the range from which Linux draws the ports of outgoing connections: a client that keeps
# asking a stopped server could otherwise draw the server's own port, and answer itself.
SERVER_PORTS = range(15_000, 32_000)

LINGER_ZERO = struct.pack("ii", 1, 0)


def free_port() -> int:
    """A loopback TCP port on which nobody listens, outside the range of outgoing connections."""
    while True:
        port = random.choice(SERVER_PORTS)  # noqa: S311
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def reset(transport: asyncio.BaseTransport) -> None:
    """Close with RST instead of FIN, whatever is still to be sent."""
    with contextlib.suppress(OSError):
        sock: socket.socket = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
    assert isinstance(transport, asyncio.WriteTransport)
    transport.abort()
