"""How much of a service's limits is left, by the two ways in which vendors count.

Meter:  |---- 60 s from the first request ----|  all of the limit comes back at its end
Bucket: the limit is what it holds; a sixtieth of it comes back each second
"""

from __future__ import annotations

from typing import Protocol

from .dialects import Limit, Limits

__all__ = ["Bucket", "Meter", "Metering"]

MINUTE = 60.0


class Metering(Protocol):
    """What counts the requests and tokens of a service."""

    def admits(self, now: float) -> bool:
        """Whether one more request is within the limits; counts it if so."""
        ...

    def add_tokens(self, number: int) -> None:
        """Count what an answer took."""
        ...

    def limits(self, now: float, wall: float) -> Limits:
        """What is left, at the monotonic time *now* and the epoch time *wall*."""
        ...

    def retry_after(self, now: float) -> float:
        """Seconds until a request that is refused at *now* would pass."""
        ...


class Meter:
    """Counts requests and tokens per minute, from the first one."""

    def __init__(self, requests_per_minute: int, tokens_per_minute: int) -> None:
        self._requests = requests_per_minute
        self._tokens = tokens_per_minute
        self._used_requests = 0
        self._used_tokens = 0
        self._began = float("-inf")

    def admits(self, now: float) -> bool:
        """Whether one more request is within the limits; counts it if so."""
        if now >= self._began + MINUTE:
            self._began, self._used_requests, self._used_tokens = now, 0, 0
        if self._used_requests >= self._requests or self._used_tokens >= self._tokens:
            return False
        self._used_requests += 1
        return True

    def add_tokens(self, number: int) -> None:
        """Count what an answer took."""
        self._used_tokens += number

    def limits(self, now: float, wall: float) -> Limits:
        """What is left, at the monotonic time *now* and the epoch time *wall*."""
        reset_after = self.retry_after(now)
        return Limits(
            wall,
            Limit(self._requests, self._requests - self._used_requests, reset_after),
            Limit(self._tokens, max(0, self._tokens - self._used_tokens), reset_after),
        )

    def retry_after(self, now: float) -> float:
        """Seconds until the minute is over."""
        return max(0.0, self._began + MINUTE - now)


class Bucket:
    """Lets requests and tokens in as its two buckets hold them, which fill all the time.

    The reset of each is when it will be full again, as Anthropic and OpenAI tell it.
    """

    def __init__(self, requests_per_minute: int, tokens_per_minute: int) -> None:
        self._sizes = (requests_per_minute, tokens_per_minute)
        self._levels = [float(size) for size in self._sizes]
        self._now = 0.0

    def admits(self, now: float) -> bool:
        """Whether one more request is within the limits; counts it if so."""
        self._fill(now)
        requests, tokens = self._levels
        if requests < 1 or tokens <= 0:
            return False
        self._levels[0] -= 1
        return True

    def add_tokens(self, number: int) -> None:
        """Count what an answer took; what was missing has to come back first."""
        self._levels[1] -= number

    def limits(self, now: float, wall: float) -> Limits:
        """What is left, at the monotonic time *now* and the epoch time *wall*."""
        self._fill(now)
        requests, tokens = (
            Limit(size, max(0, int(level)), MINUTE * (size - level) / size)
            for size, level in zip(self._sizes, self._levels, strict=True)
        )
        return Limits(wall, requests, tokens)

    def retry_after(self, now: float) -> float:
        """Seconds until a whole request is there, and tokens."""
        self._fill(now)
        missing = zip(self._sizes, self._levels, strict=True)
        return max(0.0, *(MINUTE * (1 - level) / size for size, level in missing))

    def _fill(self, now: float) -> None:
        passed, self._now = max(0.0, now - self._now), max(now, self._now)
        self._levels = [
            min(size, level + passed * size / MINUTE)
            for size, level in zip(self._sizes, self._levels, strict=True)
        ]
