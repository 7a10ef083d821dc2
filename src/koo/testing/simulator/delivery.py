"""How an answer goes over the wire, whole or damaged.

SLOW, none   frame frame frame frame end
CUT          frame frame RST
STALL        frame frame ..........
EARLY_END    frame frame end
STREAM_ERROR frame frame error end
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Never

from aiohttp import web

from ..sockets import reset
from .faults import Fault

ARRIVAL = 0.02
"""Seconds for the last bytes to arrive before a reset could overtake them."""


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

    def half(self) -> Delivery:
        """Its beginning."""
        return replace(self, frames=self.frames[: len(self.frames) // 2])

    async def send(self, request: web.Request, fault: Fault | None) -> web.StreamResponse:
        """Send it as *fault* has it."""
        match fault:
            case Fault.CUT:
                await self._send_frames(request, self.half())
                await asyncio.sleep(ARRIVAL)
                return await hang_up(request)
            case Fault.STALL:
                await self._send_frames(request, self.half())
                return await hang()
            case Fault.EARLY_END:
                beginning = self.half()
                return await beginning._send_all(request)  # noqa: SLF001
            case _:
                return await self._send_all(request)

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
