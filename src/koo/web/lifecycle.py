"""Starting, ready, draining; and a server that stops although streams are open.

    running(): STARTING --> READY --(SIGTERM, SIGINT, or the end of running())--> DRAINING

A web server stops accepting at the signal, but waits for its open responses
before it tells the application. So our handler stands before the server's: it
ends the streams and turns /readyz, and then calls the handler that was there.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from enum import StrEnum
from types import FrameType
from typing import Any, Final

__all__ = ["Lifecycle", "Phase", "chain_signals"]

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Phase(StrEnum):
    """Where the process is in its life."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"


class Lifecycle:
    """The phase of this process; *on_drain* is called once when it begins to drain."""

    def __init__(self, on_drain: Callable[[], None]) -> None:
        self.phase = Phase.STARTING
        self._on_drain = on_drain

    def drain(self) -> None:
        """Begin to stop; a second call changes nothing."""
        if self.phase is not Phase.DRAINING:
            self.phase = Phase.DRAINING
            self._on_drain()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Ready inside, draining from the first signal or the end."""
        loop = asyncio.get_running_loop()
        with chain_signals(lambda: loop.call_soon_threadsafe(self.drain)):
            self.phase = Phase.READY
            try:
                yield
            finally:
                self.drain()


@contextmanager
def chain_signals(notice: Callable[[], object]) -> Iterator[None]:
    """Call *notice* at SIGTERM and SIGINT, before whoever handled them until now."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers; elsewhere the end of running() has to do
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def handle(number: int, frame: FrameType | None) -> None:
        notice()
        _pass_on(before[signal.Signals(number)], number, frame)

    ours = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield
    finally:
        for number in ours:
            if signal.getsignal(number) is handle:
                signal.signal(number, before[number])


def _pass_on(handler: Any, number: int, frame: FrameType | None) -> None:  # noqa: ANN401 - as signal's
    if callable(handler):
        handler(number, frame)
    elif handler is signal.SIG_DFL:
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
