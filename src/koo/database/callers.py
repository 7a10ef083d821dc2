"""Where in the caller's code a call came from, told so that a person can go there."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from greenlet import getcurrent  # type: ignore[import-untyped] # types are another package

if TYPE_CHECKING:
    import asyncio
    from types import FrameType

__all__ = ["CallingLine", "borrowing_line", "calling_line", "present_line"]

_SHOWN_PARTS: Final = 3
_OUR_OWN: Final = ("koo.", "sqlalchemy.", "contextlib.", "asyncio.")
_SESSIONS: Final = "sqlalchemy.ext.asyncio.session"
_LOOPS: Final = {"asyncio.events", "asyncio.runners"}

#: Whether a module is one of those that callers are not interested in, for each asked about.
_KNOWN: Final[dict[str, bool]] = {}


class CallingLine:
    """A file and a line; written out only when somebody reads it."""

    __slots__ = ("line", "path")

    def __init__(self, path: str, line: int) -> None:
        self.path = path
        self.line = line

    def __str__(self) -> str:
        """The end of the path, and the line."""
        return f"{'/'.join(self.path.split('/')[-_SHOWN_PARTS:])}:{self.line}"


def calling_line(function: object = None) -> CallingLine | None:
    """The file and line that called us: the innermost frame outside koo and SQLAlchemy.

    A task that begins with us has no such frame; the line of *function* says more then.
    """
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the documented way to look up
    while frame is not None:
        if not _is_ours(frame):
            return CallingLine(frame.f_code.co_filename, frame.f_lineno)
        if frame.f_globals.get("__name__") in _LOOPS:
            break
        frame = frame.f_back
    code = getattr(function, "__code__", None)
    return CallingLine(code.co_filename, code.co_firstlineno) if code else None


def borrowing_line() -> CallingLine | None:
    """The file and line that asked SQLAlchemy's engine for a connection; asked in its greenlet.

    None for what a session asks for: our own know more, and it is spared them.
    """
    around = getcurrent().parent
    frame = None if around is None else around.gr_frame
    while frame is not None:
        module = frame.f_globals.get("__name__")
        if module == _SESSIONS or module in _LOOPS:
            break
        if not _is_ours(frame):
            return CallingLine(frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back
    return None


def present_line(task: asyncio.Task[Any]) -> CallingLine | None:
    """The file and line at which *task* is now: the innermost one outside koo and SQLAlchemy."""
    found: CallingLine | None = None
    work: object = task.get_coro()
    # What is awaited last may be no coroutine, and has no frame then.
    while (frame := getattr(work, "cr_frame", None)) is not None:
        if not _is_ours(frame):
            found = CallingLine(frame.f_code.co_filename, frame.f_lineno)
        work = getattr(work, "cr_await", None)
    return found


def _is_ours(frame: FrameType) -> bool:
    module = frame.f_globals.get("__name__", "")
    ours = _KNOWN.get(module)
    if ours is None:
        ours = _KNOWN[module] = f"{module}.".startswith(_OUR_OWN)
    return ours
