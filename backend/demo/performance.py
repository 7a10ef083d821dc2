"""The application, what uses it and what goes wrong, all on one event loop.

server ready --> workload + faults + supervisor --signal, or time is over--> summary --> end
"""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from math import inf
from socket import socket
from typing import Final

import uvicorn

from api.assembly import access_of, assemble
from api.server import address_of, announce, make_server
from core.config import get_settings
from core.events import log_lines
from koo.resilience import SYSTEM_CLOCK, Clock
from koo.testing import PostgresServer, Simulator
from koo.web import Access

from .faults import make_faults
from .summary import print_summary
from .supervisor import supervise
from .workload import use_database, use_services

__all__ = ["Performance"]

_HOST: Final = "127.0.0.1"
_GLANCE: Final = 0.05


class Performance:
    """The application on these parts, until somebody has seen enough."""

    def __init__(
        self, postgres: PostgresServer, simulator: Simulator, *, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._postgres = postgres
        self._simulator = simulator
        self._clock = clock
        self._is_ready = asyncio.Event()

    async def run(self, listener: socket, seconds: float | None) -> None:
        """Serve on *listener* until a signal comes, or for so many seconds."""
        address = address_of(_HOST, listener)

        def tell(access: Access) -> None:
            announce(address, access)
            self._is_ready.set()

        app = assemble(access_of(_HOST), fingerprint=None, on_ready=tell)
        grace = get_settings().shutdown_grace
        server = make_server(app, grace=grace, lines=log_lines(), log_level="warning")
        async with self._simulator:
            serving = asyncio.create_task(_serve(server, listener))
            playing = asyncio.create_task(self._play())
            await self._until_enough(server, {serving, playing}, seconds)
            playing.cancel()
            with suppress(asyncio.CancelledError):
                await playing
            print_summary()
            if not (server.should_exit or serving.done()):
                # As if by Ctrl-C, so that the streams of open pages end too.
                signal.raise_signal(signal.SIGINT)
            await serving

    async def _play(self) -> None:
        await self._is_ready.wait()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(supervise(self._postgres, clock=self._clock))
            tasks.create_task(make_faults(self._simulator, clock=self._clock))
            tasks.create_task(use_database(clock=self._clock))
            tasks.create_task(use_services(clock=self._clock))

    async def _until_enough(
        self, server: uvicorn.Server, tasks: set[asyncio.Task[None]], seconds: float | None
    ) -> None:
        end = self._clock.monotonic() + (inf if seconds is None else seconds)
        while not (server.should_exit or any(task.done() for task in tasks)):
            if self._clock.monotonic() >= end:
                return
            await self._clock.sleep(_GLANCE)


async def _serve(server: uvicorn.Server, listener: socket) -> None:
    # Once it has ended, uvicorn sends itself the signal again; we are ending already.
    with suppress(SystemExit):
        await server.serve(sockets=[listener])
