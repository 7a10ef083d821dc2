"""A TCP proxy on loopback that does to a connection what networks do.

    client <--> proxy <--> server
                  |
                  +-- refuses, resets, delays, keeps silent, loses one direction, cuts

Every fault is an attribute or a call that takes effect at once, on living connections too. The
proxy listens outside the range of outgoing ports, and keeps its port while it refuses.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Self

from .conditions import Action, BlackHole, Chunk, Conditions, Direction, LinkFault, Traffic
from .conversations import Phase
from .links import Link
from .sockets import free_port

__all__ = [
    "Action",
    "BlackHole",
    "Chunk",
    "Direction",
    "FaultProxy",
    "LinkFault",
    "Phase",
    "Traffic",
]


_TURNS_TO_ACCEPT = 5


class FaultProxy(Conditions):
    """A proxy before ``host:port`` that can be told to misbehave.

    ``async with FaultProxy("127.0.0.1", server.port) as proxy:`` then connect to ``proxy.port``.
    *struck* is set as soon as what ``strike`` has ordered has happened.
    """

    def __init__(self, host: str, port: int, *, listen_port: int | None = None) -> None:
        super().__init__()
        self.host = host
        self.port = listen_port or free_port()
        self._upstream = (host, port)
        self._server: asyncio.Server | None = None
        self._links: set[Link] = set()

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def connections(self) -> int:
        """How many clients are connected now."""
        return len(self._links)

    async def listen(self) -> None:
        """Accept connections, on the same port as before."""
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    def refuse(self) -> None:
        """Stop listening: new connections are refused until ``listen``; the others live on."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def heal(self) -> None:
        """End what ``strike`` began: held bytes flow on, connections that lost some are reset."""
        deaf = [link for link in self._links if link.is_deaf]
        await super().heal()
        for link in self._links:
            link.heal()
        for link in deaf:
            link.reset()
        await self.listen()

    def reset_all(self) -> None:
        """Reset every connection, on both sides."""
        for link in tuple(self._links):
            link.reset()

    async def stop(self) -> None:
        """Refuse, reset every connection, and wait until the last is gone."""
        # An asyncio server that closes forgets who has just been accepted, and leaves him open.
        self._stop_accepting()
        for _ in range(_TURNS_TO_ACCEPT):
            await asyncio.sleep(0)
        self.refuse()
        links = tuple(self._links)
        self.reset_all()
        await asyncio.gather(*(link.ended.wait() for link in links))

    def _stop_accepting(self) -> None:
        loop = asyncio.get_running_loop()
        for listening in self._server.sockets if self._server else ():
            loop.remove_reader(listening.fileno())

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.traffic.accepted_total += 1
        link = Link(self, self.traffic.accepted_total, reader, writer)
        self._links.add(link)
        try:
            # Ended by us; to let the cancellation pass makes a stream server complain.
            with suppress(asyncio.CancelledError):
                await link.carry(self._upstream)
        finally:
            self._links.discard(link)
            link.ended.set()
