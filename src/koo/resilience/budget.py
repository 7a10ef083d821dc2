"""Money for a day: reserved before a call, settled after it.

    budget |== settled ==|-- reserved, in flight --|...... free ......|
                          ask fits into what is free --------> Permit
                          ask fits into free + reserved -----> BudgetExhausted, may wait
                          it does not ----------------------> BudgetExhausted until midnight

Integers of nano-dollars. A day is a calendar day of *zone* and never comes
back: a wall clock that is set back keeps the later day. What was reserved on one
day is debited to that day, however late it is settled.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

from ..errors import BudgetExhausted, Rejected
from ..values import quickly_made
from .checking import check_part, check_whole
from .clock import SYSTEM_CLOCK, Clock
from .gate import HeldPermit, Permit
from .line import Line, LinedGate, Waiter
from .outcome import Ask, Outcome

__all__ = ["DailyBudget", "DailyBudgetConfig", "DailyBudgetStats"]


@dataclass(frozen=True, slots=True)
class DailyBudgetConfig:
    """*limit_nanousd* may be spent on each calendar day of *zone*."""

    limit_nanousd: int
    zone: tzinfo = UTC

    def __post_init__(self) -> None:
        """Refuse a budget below nothing."""
        check_whole(self, "limit_nanousd")
        check_part("DailyBudgetConfig", "zone", self.zone, tzinfo, example="ZoneInfo(...)")
        if self.limit_nanousd < 0:
            message = "DailyBudgetConfig: limit_nanousd can't be negative; use 0 to spend nothing"
            raise ValueError(message)


@quickly_made
@dataclass(frozen=True, slots=True)
class DailyBudgetStats:
    """A photograph of a daily budget, in nano-dollars.

    *resets_at* is the epoch second of the next midnight; *settled_late* was
    debited to a day that was over; *trouble* is what is wrong with the store.
    """

    name: str
    limit_nanousd: int
    spent_nanousd: int
    reserved_nanousd: int
    remaining_nanousd: int
    settled_late_nanousd: int
    resets_at: float
    waiting: int
    rejected_total: int
    double_settled_total: int
    trouble: str | None = None


class DailyBudget(LinedGate):
    """A gate that admits no call whose money does not fit into what is left of the day.

    So the day's spend never passes the limit as long as no call spends more than it reserved:
    reserve the most that it can cost. What it spent beyond that is debited all the same. A call
    that asks for nothing is let in, whatever is left.
    """

    __slots__ = (
        "_config",
        "_day",
        "_ends_at",
        "_reserved",
        "_settled_late",
        "_spent",
    )

    def __init__(
        self, name: str, config: DailyBudgetConfig, *, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        super().__init__(name, clock)
        check_part(f"DailyBudget {name!r}", "config", config, DailyBudgetConfig)
        self._config = config
        self._spent = self._reserved = self._settled_late = 0
        self._day = 0
        self._ends_at = float("-inf")

    def admit(self, ask: Ask) -> Permit | Rejected:
        """Reserve ``ask.nanousd`` of today's money, or say why not."""
        self._begin_day_if_over()
        free = self._config.limit_nanousd - self._spent - self._reserved
        if (ask.nanousd > free or self.must_line_up) and ask.nanousd:
            return self._refuse(ask, free)
        self._reserved += ask.nanousd
        return HeldPermit(self, ask, 0.0, self._day)

    def settled(self, permit: Permit, outcome: Outcome) -> None:
        """Debit what was spent, in full; the whole reservation if nobody knows."""
        spent = permit.ask.nanousd if outcome.spent is None else outcome.spent.nanousd
        self._debit(permit, spent)

    def cancelled(self, permit: Permit) -> None:
        """Release the reservation."""
        self._debit(permit, 0)

    def stats(self) -> DailyBudgetStats:
        """A photograph; a day that has ended since the last call is shown as the new one."""
        wall = self._clock.time()
        is_today = wall < self._ends_at
        spent, reserved = (self._spent, self._reserved) if is_today else (0, 0)
        return DailyBudgetStats(
            name=self.name,
            limit_nanousd=self._config.limit_nanousd,
            spent_nanousd=spent,
            reserved_nanousd=reserved,
            remaining_nanousd=max(0, self._config.limit_nanousd - spent - reserved),
            settled_late_nanousd=self._settled_late,
            resets_at=self._ends_at if is_today else self._midnight_after(wall),
            waiting=self.waiting,
            rejected_total=self._rejected_total,
            double_settled_total=self.double_settled_total,
        )

    def _refuse(self, ask: Ask, free: int) -> Rejected:
        self._rejected_total += 1
        if ask.nanousd > self._config.limit_nanousd:
            return BudgetExhausted(self.name, None, "the call may cost more than the day's budget")
        if ask.nanousd > free + self._reserved:
            cause = "what is left of the day is too little"
            return BudgetExhausted(self.name, self._until_midnight(), cause)
        who = "reserved by calls in flight" if ask.nanousd > free else "waited for by others"
        return self._may_wait(BudgetExhausted(self.name, None, f"what is left is {who}"))

    def _debit(self, permit: Permit, spent: int) -> None:
        self._begin_day_if_over()
        if permit.generation == self._day:
            self._reserved -= permit.ask.nanousd
            self._spent += spent
        else:
            self._settled_late += spent
        self.serve()

    def _begin_day_if_over(self) -> None:
        wall = self._clock.time()
        if wall >= self._ends_at:
            self._ends_at = self._midnight_after(wall)
            self._day += 1
            self._spent = self._reserved = 0
            self.serve()

    def _serve(self, head: Waiter, line: Line) -> bool:
        """Serve *head*; if it gets nothing, have it ask again when that may be otherwise."""
        is_served = super()._serve(head, line)
        if not is_served:
            head.serve_in(self._until_next_look(), self)
        return is_served

    def _until_next_look(self) -> float:
        """The seconds until somebody should look at the line: only midnight can be counted on."""
        return self._until_midnight()

    def _until_midnight(self) -> float:
        return max(0.0, self._ends_at - self._clock.time())

    def _midnight_after(self, wall: float) -> float:
        zone = self._config.zone
        tomorrow: date = datetime.fromtimestamp(wall, zone).date() + timedelta(days=1)
        return datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=zone).timestamp()
