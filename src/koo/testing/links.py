"""A connection through a `FaultProxy`: its two sockets, and what the conditions do to it.

client --chunk--> struck? --> lost? --> hook --PASS--> server      and the same way back
                    |           |         |
                    +-----------+---------+--> DROP, CUT, CUT_CLIENT, ORPHAN, END
"""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import dataclass

from .conditions import Action, BlackHole, Chunk, Conditions, Direction, LinkFault
from .conversations import Conversation, MysqlConversation, Phase, PostgresConversation
from .sockets import reset

__all__ = ["Link"]

READ_BYTES = 65_536
ARRIVAL = 0.02
"""Seconds for the last bytes to arrive before a reset could overtake them."""
_ENDS = {LinkFault.RESET: Action.CUT, LinkFault.REFUSE: Action.CUT, LinkFault.END: Action.END}


@dataclass(frozen=True, slots=True)
class _Side:
    """One of the two sockets of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def port(self) -> int:
        """Our own port of this connection."""
        number: int = self.writer.get_extra_info("sockname")[1]
        return number

    async def send(self, payload: bytes) -> None:
        """Write and wait for room."""
        self.writer.write(payload)
        await self.writer.drain()

    def reset(self) -> None:
        """Close with RST instead of FIN, whatever is still to be sent."""
        reset(self.writer.transport)


class Link:
    """One client's connection and its counterpart to the server."""

    def __init__(
        self,
        conditions: Conditions,
        number: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.ended = asyncio.Event()
        self._is_deaf = False
        self._conversation: Conversation | None = None
        self._losing: Direction | None = None
        self._drips = False
        self._conditions = conditions
        self._number = number
        self._client = _Side(reader, writer)
        self._server: _Side | None = None
        self._client_lost = False
        self._replied_bytes = 0
        self._task = asyncio.current_task()

    @property
    def is_deaf(self) -> bool:
        """Whether whatever comes is lost, in both directions."""
        return self._is_deaf or self._conditions.is_silent

    def reset(self) -> None:
        """End both sides with RST, now."""
        self._reset_sides()
        assert self._task is not None
        self._task.cancel()

    def heal(self) -> None:
        """Flow on without dripping."""
        self._drips = False

    async def carry(self, upstream: tuple[str, int]) -> None:
        """Carry bytes both ways until both have said their last or one is reset."""
        try:
            await self._pump_both_ways(await self._connected(upstream))
        except* (_Cut, OSError):
            self._reset_sides()
        except* _End:
            pass
        finally:
            for side in self._sides():
                side.writer.close()

    async def _connected(self, upstream: tuple[str, int]) -> _Side:
        if self._conditions.resets_new:
            raise _Cut
        match await self._befall(Direction.TO_SERVER, (Phase.CONNECT,)):
            case Action.CUT:
                raise _Cut
            case Action.END:
                raise _End
        while self.is_deaf:
            await self._conditions.healing()
        await self._conditions.hold_new()
        self._server = _Side(*await asyncio.open_connection(*upstream))
        self._conditions.traffic.ports.add(self._server.port)
        return self._server

    async def _pump_both_ways(self, server: _Side) -> None:
        async with asyncio.TaskGroup() as pumps:
            pumps.create_task(self._pump(Direction.TO_SERVER, self._client, server))
            pumps.create_task(self._pump(Direction.TO_CLIENT, server, self._client))

    async def _pump(self, direction: Direction, source: _Side, target: _Side) -> None:
        while payload := await source.reader.read(READ_BYTES):
            chunk = Chunk(direction, payload, self._number, self._phases(direction, payload))
            if self._conditions.witness is not None:
                self._conditions.witness(chunk)
            await asyncio.sleep(self._conditions.delay)
            await self._conditions.hold()
            match await self._verdict(chunk):
                case Action.PASS:
                    await self._deliver(chunk, target)
                case Action.DROP:
                    continue
                case Action.CUT:
                    raise _Cut
                case Action.END:
                    raise _End
                case Action.ORPHAN:
                    self._lose_client()
                    return
                case _:  # CUT_CLIENT
                    self._lose_client()
                    if direction is Direction.TO_SERVER:
                        await target.send(payload)
                    return
        while self.is_deaf:
            await self._conditions.healing()
        await self._conditions.hold()
        target.writer.write_eof()

    def _phases(self, direction: Direction, payload: bytes) -> tuple[Phase, ...]:
        if direction is Direction.TO_SERVER:
            self._conversation = self._conversation or PostgresConversation()
            return self._conversation.ask(payload)
        self._conversation = self._conversation or MysqlConversation()
        return self._conversation.answer()

    async def _verdict(self, chunk: Chunk) -> Action:
        fate = await self._befall(chunk.direction, chunk.phases)
        if fate is not Action.PASS:
            return fate
        to_server = chunk.direction is Direction.TO_SERVER
        lost = self._conditions.drops_requests if to_server else self._conditions.drops_replies
        if lost or self._client_lost or self.is_deaf or self._loses(chunk.direction):
            return Action.DROP
        if self._conditions.hook is None:
            return Action.PASS
        verdict = self._conditions.hook(chunk)
        return await verdict if inspect.isawaitable(verdict) else verdict

    def _loses(self, direction: Direction) -> bool:
        if self._losing is not direction:
            return False
        self._losing = None
        return True

    async def _befall(self, direction: Direction, phases: tuple[Phase, ...]) -> Action:
        """Suffer the fault that is due, and say what becomes of the bytes that met it."""
        fault = self._conditions.fault_at(phases)
        if fault is None:
            return Action.PASS
        if fault is LinkFault.REFUSE:
            self._conditions.refuse()
        if fault not in _ENDS:
            await self._suffer(fault, direction)
        return _ENDS.get(fault, Action.PASS)

    async def _suffer(self, fault: LinkFault, direction: Direction) -> None:
        match fault:
            case LinkFault.BLACK_HOLE:
                self._conditions.black_hole = BlackHole.ALL
                await self._conditions.hold()
            case LinkFault.STALL:
                await self._conditions.healing()
            case LinkFault.HALF_OPEN:
                self._is_deaf = True
            case LinkFault.SILENCE:
                self._conditions.is_silent = True
            case LinkFault.DRIP:
                self._drips = True
            case LinkFault.DROP_REQUEST:
                self._losing = direction
            case _:  # DROP_REPLY
                self._losing = Direction.TO_CLIENT

    async def _deliver(self, chunk: Chunk, target: _Side) -> None:
        if chunk.direction is Direction.TO_SERVER:
            await target.send(chunk.payload)
            self._conditions.traffic.to_server_bytes += len(chunk.payload)
            return
        allowed = self._allowance(len(chunk.payload))
        rest = await self._dripped(chunk.payload[:allowed], target)
        await target.send(rest)
        self._replied_bytes += allowed
        self._conditions.traffic.to_client_bytes += allowed
        if allowed < len(chunk.payload):
            await asyncio.sleep(ARRIVAL)
            raise _Cut

    async def _dripped(self, payload: bytes, target: _Side) -> bytes:
        """Send byte by byte while that is our fate; returns what is left then."""
        while self._drips and payload:
            await target.send(payload[:1])
            payload = payload[1:]
            await asyncio.sleep(self._conditions.drip)
        return payload

    def _allowance(self, size: int) -> int:
        """How many bytes of a reply may still reach the client."""
        limit = self._conditions.cut_after_bytes
        return size if limit is None else max(0, min(size, limit - self._replied_bytes))

    def _lose_client(self) -> None:
        """Reset the client; the server never learns of it."""
        self._client_lost = True
        self._client.reset()
        self._conditions.traffic.resets_total += 1

    def _reset_sides(self) -> None:
        self._conditions.traffic.resets_total += 1
        for side in self._sides():
            side.reset()

    def _sides(self) -> tuple[_Side, ...]:
        return (self._client,) if self._server is None else (self._client, self._server)


class _Cut(Exception):
    """A fault wants the connection reset."""


class _End(Exception):
    """A fault wants the connection ended politely."""
