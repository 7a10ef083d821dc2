"""How an answer goes over the wire, whole or damaged.

SLOW, none   frame frame frame frame end
CUT          frame frame RST
STALL        frame frame ..........
EARLY_END    frame frame end
PINGS        frame frame ping ping ping ping ...
DRIP         b y t e b y b y t e end
STREAM_ERROR frame frame error end
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Never

from aiohttp import web

from ..sockets import reset
from .faults import Fault, Strike

ARRIVAL = 0.02
"""Seconds for the last bytes to arrive before a reset could overtake them."""
PING = b': ping\n\nevent: ping\ndata: {"type": "ping"}\n\n'
"""A comment and an event that say nothing, as vendors send them while a model thinks."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """An answer in the frames in which it is sent."""

    frames: tuple[bytes, ...]
    content_type: str
    headers: Mapping[str, str]
    status: int = 200
    streams: bool = False
    """Whether the length is unknown when it begins."""
    interval: float = 0.0
    """Seconds between two frames."""

    def beginning(self, length: int | None) -> Delivery:
        """Its first bytes; None: half of its frames."""
        if length is None:
            return replace(self, frames=self.frames[: len(self.frames) // 2])
        return replace(self, frames=(b"".join(self.frames)[:length],))

    async def send(self, request: web.Request, strike: Strike | None) -> web.StreamResponse:
        """Send it as *strike* has it."""
        part = self.beginning(strike.after if strike else None)
        match strike:
            case Strike(fault=Fault.CUT):
                await self._send_frames(request, part)
                await asyncio.sleep(ARRIVAL)
                return await hang_up(request)
            case Strike(fault=Fault.PINGS, delay=delay) if self.streams:
                return await ping(await self._send_frames(request, part), delay)
            case Strike(fault=Fault.STALL | Fault.PINGS):
                await self._send_frames(request, part)
                return await hang()
            case Strike(fault=Fault.EARLY_END):
                return await part._send_all(request)  # noqa: SLF001
            case Strike(fault=Fault.DRIP, delay=delay):
                return await self.in_bytes(delay)._send_all(request)  # noqa: SLF001
            case _:
                return await self._send_all(request)

    def in_bytes(self, interval: float) -> Delivery:
        """The same, each byte by itself."""
        single = tuple(bytes([byte]) for byte in b"".join(self.frames))
        return replace(self, frames=single, interval=interval)

    async def _send_all(self, request: web.Request) -> web.StreamResponse:
        response = await self._send_frames(request, self)
        await response.write_eof()
        return response

    async def _send_frames(self, request: web.Request, part: Delivery) -> web.StreamResponse:
        """Begin as the whole, send *part*."""
        response = web.StreamResponse(status=self.status, headers=self.headers)
        response.content_type = self.content_type
        if not self.streams:
            response.content_length = sum(map(len, self.frames))
        await response.prepare(request)
        for frame in part.frames:
            await asyncio.sleep(self.interval)
            await response.write(frame)
        return response


def in_halves(body: bytes) -> tuple[bytes, ...]:
    """Two frames, so that a body can be cut in its middle."""
    middle = len(body) // 2
    return body[:middle], body[middle:]


async def ping(response: web.StreamResponse, interval: float) -> Never:
    """Show signs of life until the client has gone: its going cancels this."""
    while True:
        await response.write(PING)
        await asyncio.sleep(interval)


async def send_raw(request: web.Request, sent: bytes, *, resets: bool) -> Never:
    """Send these bytes and nothing else, and end the connection."""
    if (transport := request.transport) is not None:
        transport.write(sent)
        if not resets:
            transport.close()
            await hang()
        await asyncio.sleep(ARRIVAL)
    await hang_up(request)


async def hang() -> Never:
    """Wait until the client has gone or the simulator stops: both cancel this."""
    await asyncio.get_running_loop().create_future()
    raise AssertionError  # pragma: no cover


async def hang_up(request: web.Request) -> Never:
    """Reset the connection."""
    if request.transport is not None:
        reset(request.transport)
    await hang()
