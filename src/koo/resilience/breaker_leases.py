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

    def add(self, permit: Permit, until: float) -> None:
        """Wait for *permit* until then, or until its deadline if that is sooner."""
        deadline = permit.ask.deadline
        self._ends[id(permit)] = until if deadline is None else min(until, deadline.at)

    def extend(self, permit: Permit, until: float, now: float) -> None:
        """Wait for *permit* until then, if that is later and it is *now* waited for."""
        if now < self._ends.get(id(permit), now) < until:
            self._ends[id(permit)] = until

    def drop(self, permit: Permit) -> None:
        """Wait for *permit* no longer."""
        self._ends.pop(id(permit), None)

    def drop_ended(self, now: float) -> None:
        """Wait no longer for those whose end has come."""
        self._ends = {serial: end for serial, end in self._ends.items() if end > now}

    def ends(self, now: float) -> list[float]:
        """The ends that are still to come. Looking changes nothing."""
        return [end for end in self._ends.values() if end > now]


#: Of a breaker that is not half-open; nothing is ever added.
NO_LEASES = Leases()
