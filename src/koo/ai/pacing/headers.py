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
class _Part:
    """What the name of a header says: the *field* of the window *name*."""

    field: str
    name: str
    kind: Kind
    span: float | None


def read_windows(headers: Mapping[str, str], now: float) -> tuple[WindowTold, ...]:
    """The windows in *headers*, which have lower-case names; *now* is the vendor's epoch second."""
    found: dict[str, tuple[_Part, dict[str, str]]] = {}
    for name, text in headers.items():
        if _MARK in name and (part := _part(name)) is not None:
            if (window := found.get(part.name)) is None:
                window = found[part.name] = (part, {})
            window[1][part.field] = text
    windows = [_window(part, texts, now) for part, texts in found.values()]
    return tuple([window for window in windows if window is not None])


def their_time(headers: Mapping[str, str], ours: float) -> float:
    """The epoch second at which the answer says that it was made; else *ours*.

    A reset that is a moment is one of their clock, and no two clocks agree.
    """
    told = _read_moment(headers.get("date", ""))
    return ours if told is None else told


@lru_cache(maxsize=256)
def _part(name: str) -> _Part | None:
    words = name.partition(_MARK)[2].split("-")
    fields = [word for word in words if word in _FIELDS]
    others = [word for word in words if word not in _FIELDS]
    if len(fields) != 1 or not _SUBJECTS.union(_UNITS).issuperset(others):
        return None
    span = next((_UNITS[word] for word in others if word in _UNITS), None)
    return _Part(fields[0], " ".join(others) or "requests", _kind(others), span)


def _kind(words: list[str]) -> Kind:
    if "tokens" not in words and "token" not in words:
        return "requests"
    if "input" in words:
        return "input tokens"
    return "output tokens" if "output" in words else "tokens"


def _window(part: _Part, texts: Mapping[str, str], now: float) -> WindowTold | None:
    remaining, limit = _count(texts.get("remaining", "")), _count(texts.get("limit", ""))
    reset = read_reset(texts["reset"], now) if "reset" in texts else part.span
    if remaining is None or reset is None or not -_JUST_NOW <= reset <= _LONGEST:
        return None
    if limit is not None and not 0 < limit >= remaining:
        return None
    return WindowTold(part.name, part.kind, limit, remaining, max(0.0, reset))


def _count(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else None
