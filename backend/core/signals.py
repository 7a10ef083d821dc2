"""How our programs end at Ctrl-C and SIGTERM: with exit code 0, never with a traceback.

    start --end_at_once()--> slow imports --end_quietly()--> work --finish()--> clean up --> end

Imports nothing slow, so that it can be called before what is.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Any, Final, Never

__all__ = ["end_at_once", "end_quietly", "finish"]

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def end_at_once() -> None:
    """Let a signal end this program where it stands, while there is nothing to clean up.

    An exception would not do: in the middle of an import some callers turn it into another.
    """
    _handle(_leave)


def end_quietly() -> None:
    """Let a signal end this program by SystemExit, so that it cleans up behind itself undisturbed.

    uvicorn has handlers of its own while it serves, and sends itself the signal again
    when it has ended.
    """
    _handle(_exit)


def finish() -> None:
    """Let no further signal disturb the cleaning up."""
    _handle(signal.SIG_IGN)


def _handle(handler: Any) -> None:  # noqa: ANN401 - the signal module's own type is private
    for number in _SIGNALS:
        signal.signal(number, handler)


def _leave(number: int, frame: FrameType | None) -> Never:
    del number, frame
    os._exit(0)


def _exit(number: int, frame: FrameType | None) -> Never:
    del number, frame
    finish()
    sys.exit(0)
