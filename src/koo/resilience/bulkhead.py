"""At most so many calls at once; the others wait in line or are refused.

in flight < max_concurrent --> Permit        else Saturated (may wait)
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import Rejected, Saturated
from .checking import check_part, check_whole
from .clock import SYSTEM_CLOCK, Clock
from .gate import HeldPermit, Permit
from .line import LinedGate
from .outcome import Ask, Outcome

__all__ = ["Bulkhead", "BulkheadConfig", "BulkheadStats"]


@dataclass(frozen=True, slots=True)
class BulkheadConfig:
    """*max_concurrent* calls may be in flight."""

    max_concurrent: int

    def __post_init__(self) -> None:
        """Refuse a bulkhead that lets nothing through."""
        check_whole(self, "max_concurrent")
        if self.max_concurrent < 1:
            message = "BulkheadConfig: max_concurrent must be at least 1"
            raise ValueError(message)


@dataclass(frozen=True, slots=True)
class BulkheadStats:
    """A photograph of a bulkhead."""

    name: str
    max_concurrent: int
    in_flight: int
    waiting: int
    rejected_total: int
    double_settled_total: int


class Bulkhead(LinedGate):
    """A gate that bounds how many calls are in flight, in order of arrival.

    A call that holds a place and asks for another inside may stand in line for its own, until its
    patience is over: give what is called inside a bulkhead of its own.
    """

    __slots__ = ("_config", "_in_flight", "_rejected_total")

    def __init__(self, name: str, config: BulkheadConfig, *, clock: Clock = SYSTEM_CLOCK) -> None:
        super().__init__(name, clock)
        check_part(f"Bulkhead {name!r}", "config", config, BulkheadConfig)
        self._config = config
        self._in_flight = 0
        self._rejected_total = 0

    def admit(self, ask: Ask) -> Permit | Rejected:
        """Let a call in if there is room and nobody waits."""
        if self._in_flight >= self._config.max_concurrent or self.must_line_up:
            return self._full()
        self._in_flight += 1
        return HeldPermit(self, ask, 0.0, 0)

    def settled(self, permit: Permit, outcome: Outcome) -> None:
        """Make room, however the call ended."""
        del permit, outcome
        self._make_room()

    def cancelled(self, permit: Permit) -> None:
        """Make room."""
        del permit
        self._make_room()

    def stats(self) -> BulkheadStats:
        """A photograph."""
        return BulkheadStats(
            name=self.name,
            max_concurrent=self._config.max_concurrent,
            in_flight=self._in_flight,
            waiting=self.waiting,
            rejected_total=self._rejected_total,
            double_settled_total=self.double_settled_total,
        )

    def _full(self) -> Rejected:
        self._rejected_total += not self._serving
        cause = f"{self._config.max_concurrent} in flight, {self.waiting} waiting"
        return self._may_wait(Saturated(self.name, None, cause))

    def _make_room(self) -> None:
        self._in_flight -= 1
        self.serve()
