"""How many requests and tokens of the minute are left."""

from __future__ import annotations

from .dialects import Limits

MINUTE = 60.0


class Meter:
    """Counts requests and tokens per minute, as providers do: from the first one, in one bucket."""

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
        reset_after = max(0.0, self._began + MINUTE - now)
        return Limits(
            self._requests,
            self._requests - self._used_requests,
            self._tokens,
            max(0, self._tokens - self._used_tokens),
            reset_after,
            wall + reset_after,
        )
