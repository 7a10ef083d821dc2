"""The rate limits that an answer's headers tell of, whoever the vendor is.

    anthropic-ratelimit-input-tokens-remaining     ratelimit- is the middle of each;
    x-ratelimit-remaining-requests                 one word is the field,
    x-ratelimit-limit-tokens-minute                the others are the window's name

A window is believed if it can be true: a remainder that is a count and not above its
limit, a reset within a day. A window with no reset lasts as long as its name says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from .told import Kind, WindowTold
from .waits import read_moment, read_reset

__all__ = ["read_windows", "their_time"]

_MARK: Final = "ratelimit-"
_FIELDS: Final = frozenset({"limit", "remaining", "reset"})
_UNITS: Final[Mapping[str, float]] = {"minute": 60.0, "hour": 3600.0, "day": 86_400.0}
_SUBJECTS: Final = frozenset(
    {"requests", "request", "req", "tokens", "token", "input", "output", "project"}
)
_LONGEST: Final = 86_400.0
#: A moment this many seconds ago was just now: vendors round, and answers travel.
_JUST_NOW: Final = 5.0
_MOST_DIGITS: Final = 15
# Many answers come within a second.
_read_moment: Final = lru_cache(maxsize=16)(read_moment)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the window *name* is told: the headers of its fields."""

    name: str
    kind: Kind
    span: float | None
    remaining: str
    limit: str | None
    reset: str | None

    def read(self, headers: Mapping[str, str], now: float) -> WindowTold | None:
        """The window, if it can be true."""
        remaining = _count(headers[self.remaining])
        limit = None if self.limit is None else _limit(headers[self.limit])
        reset = self.span if self.reset is None else read_reset(headers[self.reset], now)
        if remaining is None or reset is None or not -_JUST_NOW <= reset <= _LONGEST:
            return None
        if limit is not None and not 0 < limit >= remaining:
            return None
        return WindowTold(self.name, self.kind, limit, remaining, max(0.0, reset))


def read_windows(headers: Mapping[str, str], now: float) -> tuple[WindowTold, ...]:
    """The windows in *headers*, which have lower-case names; *now* is the vendor's epoch second."""
    places = _places(tuple(headers))
    return tuple([told for place in places if (told := place.read(headers, now)) is not None])


def their_time(headers: Mapping[str, str], ours: float) -> float:
    """The epoch second at which the answer says that it was made; else *ours*.

    A reset that is a moment is one of their clock, and no two clocks agree.
    """
    told = _read_moment(headers.get("date", ""))
    return ours if told is None else told


# A vendor's answers have the same headers, but for a few.
@lru_cache(maxsize=32)
def _places(names: tuple[str, ...]) -> tuple[_Place, ...]:
    found: dict[str, dict[str, str]] = {}
    for name in names:
        if _MARK in name and (part := _part(name)) is not None:
            window, field = part
            found.setdefault(window, {})[field] = name
    places = [_place(window, fields) for window, fields in found.items()]
    return tuple([place for place in places if place is not None])


def _part(name: str) -> tuple[str, str] | None:
    """The window and the field that the name of a header says."""
    words = name.partition(_MARK)[2].split("-")
    fields = [word for word in words if word in _FIELDS]
    others = [word for word in words if word not in _FIELDS]
    if len(fields) != 1 or not _SUBJECTS.union(_UNITS).issuperset(others):
        return None
    return " ".join(others) or "requests", fields[0]


def _place(window: str, fields: Mapping[str, str]) -> _Place | None:
    """Where *window* is told; None if too little is told of it."""
    words = window.split()
    span = next((_UNITS[word] for word in words if word in _UNITS), None)
    remaining, reset = fields.get("remaining"), fields.get("reset")
    if remaining is None or (reset is None and span is None):
        return None
    return _Place(window, _kind(words), span, remaining, fields.get("limit"), reset)


def _kind(words: list[str]) -> Kind:
    if "tokens" not in words and "token" not in words:
        return "requests"
    if "input" in words:
        return "input tokens"
    return "output tokens" if "output" in words else "tokens"


def _count(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else None


# What remains is another number in each answer, its limit is not.
_limit: Final = lru_cache(maxsize=64)(_count)
