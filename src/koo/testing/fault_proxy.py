"""A TCP proxy on loopback that does to a connection what networks do.

    client <--> proxy <--> server
                  |
                  +-- refuses, resets, delays, keeps silent, loses one direction, cuts

Every fault is an attribute or a call that takes effect at once, on living connections too. The
proxy listens outside the range of outgoing ports, and keeps its port while it refuses.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Self

from .sockets import free_port, reset

READ_BYTES = 65_536
ARRIVAL = 0.02
"""Seconds for the last bytes to arrive before a reset could overtake them."""


class Direction(Enum):
    """Which way bytes travel."""

    TO_SERVER = "to server"
    TO_CLIENT = "to client"


class BlackHole(Enum):
    """For whom nothing comes through; what is held flows on when the hole closes."""

    OFF = "off"
    NEW = "connections accepted from now on"
    ALL = "all connections"


class Action(Enum):
    """What a hook wants done with a chunk."""

    PASS = "pass"  # noqa: S105
    DROP = "drop"
    CUT = "reset both sides; the chunk is lost"
    CUT_CLIENT = "reset the client; the chunk reaches the server, whose side stays open"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some bytes on their way, as a hook sees them."""

    direction: Direction
    payload: bytes
    connection: int
    """Counted from 1 in the order of arrival."""


Hook = Callable[[Chunk], Action | Awaitable[Action]]


@dataclass(slots=True)
class Traffic:
    """What went through a proxy since it was made."""

    accepted_total: int = 0
    resets_total: int = 0
    to_server_bytes: int = 0
    to_client_bytes: int = 0


class FaultProxy:
    """A proxy before ``host:port`` that can be told to misbehave.

    ``async with FaultProxy("127.0.0.1", server.port) as proxy:`` then connect to ``proxy.port``.
    """

    delay: float = 0.0
    """Seconds that each chunk is held, in each direction."""
    resets_new: bool = False
    """Whether a connection is accepted and reset at once."""
    drops_requests: bool = False
    """Whether what the client sends is lost."""
    drops_replies: bool = False
    """Whether what the server sends is lost."""
    cut_after_bytes: int | None = None
    """After so many bytes of replies a connection is reset; None = never."""
    hook: Hook | None = None
    """Asked about every chunk; may be async, and holds its direction while it waits."""

    def __init__(self, host: str, port: int, *, listen_port: int | None = None) -> None:
        self.host = host
        self.port = listen_port or free_port()
        self.traffic = Traffic()
        self._upstream = (host, port)
        self._server: asyncio.Server | None = None
        self._links: set[_Link] = set()
        self._black_hole = BlackHole.OFF
        self._hole_changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def connections(self) -> int:
        """How many clients are connected now."""
        return len(self._links)

    @property
    def black_hole(self) -> BlackHole:
        """For whom nothing comes through."""
        return self._black_hole

    @black_hole.setter
    def black_hole(self, hole: BlackHole) -> None:
        self._black_hole = hole
        self._hole_changed.set()
        self._hole_changed = asyncio.Event()

    async def listen(self) -> None:
        """Accept connections, on the same port as before."""
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    def refuse(self) -> None:
        """Stop listening: new connections are refused until ``listen``; the others live on."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def reset_all(self) -> None:
        """Reset every connection, on both sides."""
        for link in tuple(self._links):
            link.reset()

    async def stop(self) -> None:
        """Refuse, reset every connection, and wait until the last is gone."""
        self.refuse()
        links = tuple(self._links)
        self.reset_all()
        await asyncio.gather(*(link.ended.wait() for link in links))

    async def hold_new(self) -> None:
        """Wait until new connections come through."""
        while self._black_hole is not BlackHole.OFF:
            await self._hole_changed.wait()

    async def hold(self) -> None:
        """Wait until all connections come through."""
        while self._black_hole is BlackHole.ALL:
            await self._hole_changed.wait()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.traffic.accepted_total += 1
        link = _Link(self, self.traffic.accepted_total, reader, writer)
        self._links.add(link)
        try:
            await link.carry(self._upstream)
        finally:
            self._links.discard(link)
            link.ended.set()


@dataclass(frozen=True, slots=True)
class _Side:
    """One of the two sockets of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, payload: bytes) -> None:
        """Write and wait for room."""
        self.writer.write(payload)
        await self.writer.drain()

    def reset(self) -> None:
        """Close with RST instead of FIN, whatever is still to be sent."""
        reset(self.writer.transport)


class _Link:
    """One client's connection and its counterpart to the server."""

    def __init__(
        self,
        proxy: FaultProxy,
        number: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.ended = asyncio.Event()
        self._proxy = proxy
        self._number = number
        self._client = _Side(reader, writer)
        self._server: _Side | None = None
        self._client_lost = False
        self._replied_bytes = 0
        self._task = asyncio.current_task()

    def reset(self) -> None:
        """End both sides with RST, now."""
        self._reset_sides()
        assert self._task is not None
        self._task.cancel()

    async def carry(self, upstream: tuple[str, int]) -> None:
        """Carry bytes both ways until both have said their last or one is reset."""
        try:
            await self._pump_both_ways(await self._connected(upstream))
        except* (_Cut, OSError):
            self._reset_sides()
        finally:
            for side in self._sides():
                side.writer.close()

    async def _connected(self, upstream: tuple[str, int]) -> _Side:
        if self._proxy.resets_new:
            raise _Cut
        await self._proxy.hold_new()
        self._server = _Side(*await asyncio.open_connection(*upstream))
        return self._server

    async def _pump_both_ways(self, server: _Side) -> None:
        async with asyncio.TaskGroup() as pumps:
            pumps.create_task(self._pump(Direction.TO_SERVER, self._client, server))
            pumps.create_task(self._pump(Direction.TO_CLIENT, server, self._client))

    async def _pump(self, direction: Direction, source: _Side, target: _Side) -> None:
        while payload := await source.reader.read(READ_BYTES):
            await asyncio.sleep(self._proxy.delay)
            await self._proxy.hold()
            chunk = Chunk(direction, payload, self._number)
            match await self._verdict(chunk):
                case Action.PASS:
                    await self._deliver(chunk, target)
                case Action.DROP:
                    continue
                case Action.CUT:
                    raise _Cut
                case _:  # CUT_CLIENT
                    await self._lose_client(chunk)
                    return
        await self._proxy.hold()
        target.writer.write_eof()

    async def _verdict(self, chunk: Chunk) -> Action:
        to_server = chunk.direction is Direction.TO_SERVER
        lost = self._proxy.drops_requests if to_server else self._proxy.drops_replies
        if lost or self._client_lost:
            return Action.DROP
        if self._proxy.hook is None:
            return Action.PASS
        verdict = self._proxy.hook(chunk)
        return await verdict if inspect.isawaitable(verdict) else verdict

    async def _deliver(self, chunk: Chunk, target: _Side) -> None:
        if chunk.direction is Direction.TO_SERVER:
            await target.send(chunk.payload)
            self._proxy.traffic.to_server_bytes += len(chunk.payload)
            return
        allowed = self._allowance(len(chunk.payload))
        await target.send(chunk.payload[:allowed])
        self._replied_bytes += allowed
        self._proxy.traffic.to_client_bytes += allowed
        if allowed < len(chunk.payload):
            await asyncio.sleep(ARRIVAL)
            raise _Cut

    def _allowance(self, size: int) -> int:
        """How many bytes of a reply may still reach the client."""
        limit = self._proxy.cut_after_bytes
        return size if limit is None else max(0, min(size, limit - self._replied_bytes))

    async def _lose_client(self, chunk: Chunk) -> None:
        """Reset the client; the server never learns of it."""
        self._client_lost = True
        self._client.reset()
        self._proxy.traffic.resets_total += 1
        if chunk.direction is Direction.TO_SERVER and self._server is not None:
            await self._server.send(chunk.payload)

    def _reset_sides(self) -> None:
        self._proxy.traffic.resets_total += 1
        for side in self._sides():
            side.reset()

    def _sides(self) -> tuple[_Side, ...]:
        return (self._client,) if self._server is None else (self._client, self._server)


class _Cut(Exception):
    """A fault wants the connection reset."""
