"""The probes of a half-open circuit breaker, each under a lease.

add --> held --settled or given back--> drop
+--its end has come----------> nobody waits for it any longer: another may go
"""

from __future__ import annotations

from .gate import Permit

__all__ = ["NO_LEASES", "Leases"]


class Leases:
    """Until when each probe is waited for."""

    __slots__ = ("_ends",)

    def __init__(self) -> None:
        self._ends: dict[int, float] = {}

    def add(self, permit: Permit, now: float, seconds: float) -> None:
        """Wait for *permit* so many *seconds*, or until its deadline if that is sooner."""
        # A copy: the collector may drop one between any two steps.
        self._ends = {serial: end for serial, end in self._ends.copy().items() if end > now}
        deadline, until = permit.ask.deadline, now + seconds
        self._ends[id(permit)] = until if deadline is None else min(until, deadline.at)

    def extend(self, permit: Permit, until: float, now: float) -> None:
        """Wait for *permit* until then, if that is later and it is *now* waited for."""
        if now < self._ends.get(id(permit), now) < until:
            self._ends[id(permit)] = until

    def drop(self, permit: Permit) -> None:
        """Wait for *permit* no longer."""
        self._ends.pop(id(permit), None)

    def count(self, now: float) -> int:
        """How many are waited for. Looking changes nothing."""
        return len(self._still(now))

    def wait(self, now: float, most: int) -> float:
        """The seconds until fewer than *most* are waited for, 0 if they are now."""
        ends = self._still(now)
        return min(ends) - now if len(ends) >= most else 0.0

    def _still(self, now: float) -> list[float]:
        return [end for end in list(self._ends.values()) if end > now]


#: Of a breaker that is not half-open; nothing is ever added.
NO_LEASES = Leases()
