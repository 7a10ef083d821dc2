"""A web server for the application that begins with an open port and ends in time.

listen() --> a socket, before anything else is started
serve() ---> answers until SIGINT or SIGTERM, and then for its delay, not ready any more;
             streams end at once, requests get their grace; a second signal ends both;
             the application always ends in order
"""

from __future__ import annotations

import argparse
import errno
import logging
import socket
import sys
from copy import deepcopy
from types import FrameType
from typing import Any, Final

import uvicorn
from fastapi import FastAPI
from uvicorn.config import LOGGING_CONFIG

from koo.resilience import SYSTEM_CLOCK, Clock
from koo.web import Access

__all__ = ["address_of", "announce", "listen", "make_server", "port_number"]

_BACKLOG: Final = 2048
_LAST_PORT: Final = 65535
_PATIENCE: Final = 30.0


def listen(host: str, port: int, *, patience: float = _PATIENCE) -> socket.socket:
    """A socket on *host* and *port* (0: any); OSError with a sentence if that can't be had.

    Who has read nothing of what is sent for *patience* seconds is cut off, where the system can.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise OSError(f"can't listen on {host}, port {port}: {_cure(error)}") from None
    if sys.platform == "linux":
        # A laptop that sleeps with the page open would hold up every stop for the whole grace.
        milliseconds = int(patience * 1000)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
    return listener


def address_of(host: str, listener: socket.socket) -> str:
    """The address of what *listener* serves, as a browser takes it."""
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{listener.getsockname()[1]}"


def announce(address: str, access: Access) -> None:
    """Print where the page is, and how to sign in if a token was made for this run."""
    lines = [f"the page: {address}"]
    if access.operate_token:
        lines += [
            f"sign in (works once): {access.sign_in_link(address)}",
            f"operate token, made for this run: {access.operate_token}",
        ]
    sys.stdout.write("\n".join([*lines, ""]))
    sys.stdout.flush()


def port_number(text: str) -> int:
    """A port, 0 for any."""
    if not (text.isdecimal() and int(text) <= _LAST_PORT):
        raise argparse.ArgumentTypeError(f"must be a number from 0 to {_LAST_PORT}")
    return int(text)


class _Server(uvicorn.Server):
    """Answers for *delay* more seconds after a signal; a second one ends that, and the grace.

    It ends the application in order then too, where uvicorn just drops it.
    """

    def __init__(
        self, config: uvicorn.Config, delay: float, *, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        super().__init__(config)
        self._delay = delay
        self._clock = clock
        self._ends_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit
        super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        if not await super().on_tick(counter):
            return False
        now = self._clock.monotonic()
        if self._ends_at is None:
            self._ends_at = now + self._delay
        return self.force_exit or now >= self._ends_at

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        if self.force_exit and not self.lifespan.shutdown_event.is_set():
            await self.lifespan.shutdown()


def make_server(
    app: FastAPI,
    *,
    grace: float,
    lines: logging.Formatter,
    delay: float = 0.0,
    log_level: str = "info",
) -> uvicorn.Server:
    """The server; it answers for *delay* after the signal, and requests in flight get *grace*.

    Its log has the form of *lines*, and so have the warnings of everybody else in the process.
    """
    log_config: dict[str, Any] = deepcopy(LOGGING_CONFIG)
    log_config["formatters"]["default"] = {"()": lambda: lines}
    log_config["loggers"]["koo.events"] = {
        "handlers": ["default"],
        "level": log_level.upper(),
        "propagate": False,
    }
    log_config["root"] = {"handlers": ["default"], "level": "WARNING"}
    config = uvicorn.Config(
        app,
        access_log=False,
        lifespan="on",
        log_config=log_config,
        log_level=log_level,
        server_header=False,
        timeout_graceful_shutdown=grace,  # type: ignore[arg-type] # fractions work as well
        ws="none",
    )
    return _Server(config, delay)


def _cure(error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "it is taken; choose another with --port, 0 for any"
        case errno.EACCES:
            return "not allowed; ports below 1024 belong to root"
        case _:
            return "this machine has no such address"
