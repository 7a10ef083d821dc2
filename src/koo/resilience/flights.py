"""Calls on their way, in the order of their admission; those that are overdue stand apart.

    begin --> [a b c d] --longer than the threshold--> {e f}
                 +--end                                  +--end

Each call is moved once, so however many hang, the next one costs the same.
"""

from __future__ import annotations

from collections import OrderedDict

__all__ = ["Flights"]


class Flights:
    """How many calls are on their way, and how many of them take too long."""

    __slots__ = ("_overdue", "_younger")

    def __init__(self) -> None:
        # Ordered: a plain dict walks over all that has left its front to find who is first.
        self._younger: OrderedDict[int, float] = OrderedDict()
        self._overdue: set[int] = set()

    def __len__(self) -> int:
        return len(self._younger) + len(self._overdue)

    def begin(self, call: int, now: float) -> None:
        """*call* was admitted *now*, not before any other."""
        self._younger[call] = now

    def end(self, call: int) -> None:
        """*call* is over, if it was on its way."""
        self._younger.pop(call, None)
        self._overdue.discard(call)

    def overdue(self, now: float, threshold: float) -> int:
        """How many are on their way for longer than *threshold* seconds, which never changes."""
        younger, overdue = self._younger, self._overdue
        while (call := self._oldest()) is not None:
            if now - younger.get(call, now) <= threshold:
                break
            # In this order: the collector may end the call between any two steps.
            overdue.add(call)
            if younger.pop(call, None) is None:
                overdue.discard(call)
        return len(overdue)

    def _oldest(self) -> int | None:
        # A loop is one step; the collector may end a call between iter() and next().
        for call in self._younger:
            return call
        return None
