"""Where in the caller's code a call came from, told so that a person can go there."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from greenlet import getcurrent  # type: ignore[import-untyped] # types are another package

if TYPE_CHECKING:
    import asyncio
    from types import CodeType, FrameType

__all__ = ["CallingLine", "borrowing_line", "calling_line", "present_line"]

_SHOWN_PARTS: Final = 3
_OUR_OWN: Final = ("koo.", "sqlalchemy.", "contextlib.", "asyncio.")
_LOOPS: Final = {"asyncio.events", "asyncio.runners"}
_SESSIONS_OR_LOOPS: Final = {"sqlalchemy.ext.asyncio.session", *_LOOPS}


class _Modules(dict[str, bool]):
    """Whether a module is one of those that callers are not interested in, by its name."""

    def __missing__(self, name: str) -> bool:
        is_ours = self[name] = f"{name}.".startswith(_OUR_OWN)
        return is_ours


_IS_OURS: Final = _Modules()


class CallingLine:
    """A place in a file; its line is looked up, and written out, only when somebody reads it.

    The look-up goes through the whole function, which takes longer than all else here.
    """

    __slots__ = ("_code", "_offset")

    def __init__(self, code: CodeType, offset: int) -> None:
        self._code = code
        self._offset = offset

    @classmethod
    def of(cls, frame: FrameType) -> CallingLine:
        """Where *frame* is now."""
        return cls(frame.f_code, frame.f_lasti)

    def __str__(self) -> str:
        """The end of the path, and the line."""
        shown = self._code.co_filename.split("/")[-_SHOWN_PARTS:]
        return f"{'/'.join(shown)}:{self._line}"

    @property
    def _line(self) -> int:
        spans = self._code.co_lines()
        line = next((line for begin, end, line in spans if begin <= self._offset < end), None)
        return line or self._code.co_firstlineno


def calling_line(function: object = None) -> CallingLine | None:
    """The file and line that called us: the innermost frame outside koo and SQLAlchemy.

    A task that begins with us has no such frame; the line of *function* says more then.
    """
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the documented way to look up
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if not _IS_OURS[module]:
            return CallingLine.of(frame)
        if module in _LOOPS:
            break
        frame = frame.f_back
    code = getattr(function, "__code__", None)
    return CallingLine(code, 0) if code else None


def borrowing_line() -> CallingLine | None:
    """The file and line that asked SQLAlchemy's engine for a connection; asked in its greenlet.

    None for what a session asks for: our own know more, and it is spared them.
    """
    around = getcurrent().parent
    frame = None if around is None else around.gr_frame
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if not _IS_OURS[module]:
            return CallingLine.of(frame)
        if module in _SESSIONS_OR_LOOPS:
            break
        frame = frame.f_back
    return None


def present_line(task: asyncio.Task[Any]) -> CallingLine | None:
    """The file and line at which *task* is now: the innermost one outside koo and SQLAlchemy."""
    found: CallingLine | None = None
    work: object = task.get_coro()
    # What is awaited last may be no coroutine, and has no frame then.
    while (frame := getattr(work, "cr_frame", None)) is not None:
        if not _IS_OURS[frame.f_globals.get("__name__", "")]:
            found = CallingLine.of(frame)
        work = getattr(work, "cr_await", None)
    return found
