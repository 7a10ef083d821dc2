"""Two things that tests want of sockets: a port to listen on, and an end without good-bye."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import errno
import functools
import itertools
import os
import random
import socket
import struct
from collections.abc import Iterator

# Below the range from which Linux draws the ports of outgoing connections: a client that keeps
# asking a stopped server could otherwise draw the server's own port, and answer itself.
SERVER_PORTS = range(15_000, 32_000)

SHARE = 500
"""Ports that one process has to itself."""

LINGER_ZERO = struct.pack("ii", 1, 0)


def free_port() -> int:
    """A loopback TCP port on which nobody listens, outside the range of outgoing connections.

    Nobody else who asks here gets it meanwhile: each process has ports of its own, used in turn.
    Raises OSError (EADDRINUSE) when somebody listens on each of them.
    """
    for port in itertools.islice(_own(os.getpid()), SHARE):
        with socket.socket() as probe, contextlib.suppress(OSError):
            # As servers do: where one has ended, its connections rest for a minute (TIME_WAIT).
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError(
        errno.EADDRINUSE,
        f"none of the {SHARE} ports that this process may give is free: end a server first",
    )


@functools.cache
def _own(_process: int) -> Iterator[int]:
    return itertools.cycle(_draw())


def _draw() -> list[int]:
    """The ports of a share that no living process has, in any order; all when there is none."""
    shares = [SERVER_PORTS[first : first + SHARE] for first in range(0, len(SERVER_PORTS), SHARE)]
    for share in random.sample(shares, len(shares)):
        # Whoever has a share holds its first port for UDP, which nobody needs, until he ends.
        sign = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sign.bind(("127.0.0.1", share[0]))
        except OSError:
            sign.close()
        else:
            atexit.register(sign.close)
            return random.sample(share, len(share))
    return random.sample(SERVER_PORTS, len(SERVER_PORTS))


def reset(transport: asyncio.BaseTransport) -> None:
    """Close with RST instead of FIN, whatever is still to be sent."""
    with contextlib.suppress(OSError):
        sock: socket.socket = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
    assert isinstance(transport, asyncio.WriteTransport)
    transport.abort()
