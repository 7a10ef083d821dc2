"""What a policy writes on an error on its way out, for the call around it and for people.

    inner policy --gives up---> marked ----> outer policy: no further attempt
                 --passes on--> unmarked --> outer policy: its own to judge
                 --gives up, raises nothing; its caller raises--> marked: of that, perhaps

One error may be raised for many callers, so a mark says for whom it is: those who share the
outcome of another's call (a single flight) retry for themselves. Share it outside. What no
policy has judged goes by what it was raised from, or while handling.
"""

from __future__ import annotations

from typing import Final

__all__ = ["mark_given_up", "mark_passed_on", "mark_unless_judged", "note", "was_given_up"]

_MARK: Final = "__koo_gave_up__"
_MOST_NOTES: Final = 8
_UNMARKED: Final = (None, False)


class _Mark(tuple[object, bool]):
    """For which call, and whether it was given up on. In a copy for elsewhere: for none."""

    __slots__ = ()

    def __reduce__(self) -> tuple[type, tuple[tuple[None, bool]]]:
        return tuple, (_UNMARKED,)


# Into the dict, because an error may refuse to be written on.


def mark_given_up(error: BaseException, outer: object) -> None:
    """Tell the call *outer*, and no other, that *error* is not worth another attempt."""
    vars(error)[_MARK] = _Mark((outer, True))


def mark_passed_on(error: BaseException, outer: object) -> None:
    """Tell the call *outer* that nobody has tried again: *error* is its own to judge."""
    vars(error)[_MARK] = _Mark((outer, False))


def mark_unless_judged(error: BaseException, call: object) -> None:
    """Mark what was raised in *call* after one inside had given up without a word."""
    if vars(error).get(_MARK, _UNMARKED)[0] is not call:
        mark_given_up(error, call)


def was_given_up(error: BaseException | None, call: object, depth: int = 8) -> bool:
    """Whether one inside *call* gave up on *error*, a part of it, or what it was raised from."""
    if error is None or not depth:
        return False
    whose, gave_up = vars(error).get(_MARK, _UNMARKED)
    if whose is call:
        return bool(gave_up)
    parts = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return any(
        was_given_up(each, call, depth - 1)
        for each in (error.__cause__ or error.__context__, *parts)
    )


def note(error: BaseException, text: str) -> None:
    """Add a note once; an error that is kept and raised again must not gather them for ever."""
    notes = vars(error).setdefault("__notes__", [])
    if text not in notes and len(notes) < _MOST_NOTES:
        notes.append(text)
