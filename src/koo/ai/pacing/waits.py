"""How long a service asks to be left alone, in every form in which services say so.

    retry-after-ms | retry-after (seconds or a date) | RetryInfo "46s"
    | "try again in 1m3s", "regain access on 2026-12-01 at 00:00 UTC"
    | x-ratelimit-reset-..., anthropic-ratelimit-...-reset, of a limit with nothing left

The first that is there wins. All are seconds from now; nonsense is no wait.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Final, NamedTuple

__all__ = ["named_wait", "read_duration", "read_moment", "read_reset", "without_windows"]

_NUMBER: Final = re.compile(r"\d{1,15}(\.\d{1,15})?")
_DURATION: Final = re.compile(
    r"(\d{1,9}(?:\.\d{1,12})?)\s?(ms|milliseconds?|d|days?|h|hours?|m|min|minutes?|s|secs?|seconds?)"
    r"(?![a-z])"
)
_SPOKEN: Final = re.compile(
    r"(?:try again|retry|wait|available|resets?)(?: in| after| for)?:? (?=\d)"
    r"((?:[\d.]+\s?[a-z]+[\s,]*)+)"
)
_REGAIN: Final = re.compile(
    r"(?:regain access|resets?|try again) (?:on|at) (\d{4}-\d\d-\d\d)"
    r"(?:(?: at |t| )(\d\d:\d\d)(?::\d\d)?)?"
)
_SECONDS: Final[Mapping[str, float]] = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
# A moment told to the second: an epoch second, or hours, minutes and seconds.
_WHOLE_SECOND: Final = re.compile(r"^\s*\d{10}\s*$|:\d\d:\d\d(?![.,\d])")
# A number this large is a moment, in seconds or in milliseconds, and not a duration.
_EPOCH_S: Final = 1e9
_EPOCH_MS: Final = 1e12


def named_wait(
    headers: Mapping[str, str], *, message: str = "", delay: str = "", now: float
) -> float | None:
    """The seconds from *now* (epoch) that the answer asks us to wait; None if it names none.

    *headers* have lower-case names; *delay* is what the body has a field for, like ``46s``.
    """
    for seconds in _candidates(headers, message.lower(), delay, now):
        if seconds is not None and seconds > 0:
            return seconds
    return None


def without_windows(headers: Mapping[str, str]) -> Mapping[str, str]:
    """*headers* without what they say of rate limits."""
    return {name: text for name, text in headers.items() if "ratelimit-" not in name}


def read_duration(text: str) -> float | None:
    """The seconds in ``46s``, ``6m0s``, ``20ms``, ``1h2m`` or ``2 minutes``; None if none."""
    parts = _DURATION.findall(text.lower())
    if not parts:
        return None
    return sum(float(number) * _unit(unit) for number, unit in parts)


def read_reset(text: str, now: float) -> float | None:
    """The seconds from *now* (epoch) until *text*: a duration, seconds, or a moment."""
    named = _reset(text)
    return None if named is None else named.after(now)


def read_moment(text: str) -> float | None:
    """The epoch second that *text* names, in UTC if it names no zone; None if it is no moment."""
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = read(text.strip())
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            continue
    return None


class _Named(NamedTuple):
    """What a text names: so many *seconds*, or the moment in those of the epoch."""

    seconds: float
    is_moment: bool

    def after(self, now: float) -> float:
        """The seconds from *now*."""
        return self.seconds - now if self.is_moment else self.seconds


# Every answer tells the resets of all its windows, and most tell what the one before told.
@lru_cache(maxsize=256)
def _reset(text: str) -> _Named | None:
    if text.lstrip().startswith("-"):
        return None
    seconds = read_duration(text)
    named = _named(text) if seconds is None else _Named(seconds, is_moment=False)
    if named is None or not _WHOLE_SECOND.search(text):
        return named
    # The moment may be any within its second, and early is worse than late.
    return named._replace(seconds=named.seconds + 1.0)


def _candidates(
    headers: Mapping[str, str], message: str, delay: str, now: float
) -> Iterator[float | None]:
    if (milliseconds := _number(headers.get("retry-after-ms", ""))) is not None:
        yield milliseconds / 1000
    yield _moment_or_seconds(headers.get("retry-after", ""), now)
    yield read_duration(delay) or _moment_or_seconds(delay, now)
    if spoken := _SPOKEN.search(message):
        yield read_duration(spoken[1])
    if regained := _REGAIN.search(message):
        yield _moment_or_seconds(f"{regained[1]}T{regained[2] or '00:00'}", now)
    yield max(_resets(headers, now), default=None)


def _resets(headers: Mapping[str, str], now: float) -> Iterator[float]:
    """The waits of all limits that have nothing left."""
    for name, text in headers.items():
        if "ratelimit-" not in name or "reset" not in name:
            continue
        if _number(headers.get(name.replace("reset", "remaining"), "0")) == 0:
            wait = read_reset(text, now)
            if wait is not None:
                yield wait


def _moment_or_seconds(text: str, now: float) -> float | None:
    named = _named(text)
    return None if named is None else named.after(now)


def _named(text: str) -> _Named | None:
    number = _number(text)
    if number is None:
        moment = read_moment(text) if text else None
        return None if moment is None else _Named(moment, is_moment=True)
    if number >= _EPOCH_MS:
        return _Named(number / 1000, is_moment=True)
    return _Named(number, is_moment=number >= _EPOCH_S)


def _number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text.strip()) else None


def _unit(word: str) -> float:
    return 0.001 if word.startswith(("ms", "milli")) else _SECONDS[word[0]]
