"""How many lines of one kind a log bears: a few in a span, and then how many it was spared.

pass, pass, ... pass | held back, counted ... | the span is over: "1,204 more" and pass again
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

__all__ = ["Key", "Throttle"]

_MOST_KEYS: Final = 1000


class Key(NamedTuple):
    """Lines that are more of the same."""

    component: str
    event: str
    level: int


@dataclass(slots=True)
class _Span:
    ends_at: float
    passed: int = 0
    held: int = 0


class Throttle:
    """Lets *most* of each key pass in *span* seconds, and counts the others.

    Of more than a thousand keys the one that began first is forgotten. Any thread may ask; of
    lines that come in one instant from two threads a few more than *most* may pass.
    """

    def __init__(self, most: int, span: float) -> None:
        self._most = most
        self._span = span
        self._spans: dict[Key, _Span] = {}

    def passes(self, key: Key, now: float) -> bool:
        """Whether one more of *key* may pass at *now* (monotonic seconds)."""
        span = self._spans.get(key)
        if span is None or now >= span.ends_at:
            self._spans.pop(key, None)
            self._make_room()
            span = self._spans[key] = _Span(now + self._span)
        if span.passed < self._most:
            span.passed += 1
            return True
        span.held += 1
        return False

    def held_back(self, now: float) -> Iterator[tuple[Key, int]]:
        """The keys of which some were held back in a span that is over, each once."""
        # Copies are made in one step, whatever another thread does.
        over = [key for key, span in self._spans.copy().items() if now >= span.ends_at]
        for key in over:
            span = self._spans.pop(key, None)
            if span is not None and span.held:
                yield key, span.held

    def _make_room(self) -> None:
        if len(self._spans) >= _MOST_KEYS:
            self._spans.pop(next(iter(self._spans.copy())), None)
