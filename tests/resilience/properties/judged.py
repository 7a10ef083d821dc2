"""A breaker with a judge around it, who knows from the outcomes alone how it may and must move."""

import asyncio

from koo.resilience import ABANDONED, Permit, State
from koo.resilience.gate import TimedPermit
from koo.testing import running_clock

from .breaker_oracle import Entry, evidence

RECOVERY = 10.0
FAILURES = 3
SUCCESSES = 2


class Judged:
    """A breaker whose every permit and outcome is written down, era by era."""

    name = "judged"
    double_settled_total = 0

    def __init__(self, seen):
        self.seen = seen
        self.breaker = self.oracle = None
        self.state = State.CLOSED
        self.era = self.good = self.bad = 0
        self.since = 0.0
        self.permits = {}
        self.lease = None
        self.leases = {}
        self.faults = []
        #: The tasks that were cancelled and have heard it: how they end is nobody's failure.
        self.gone = set()
        #: The task whose attempt has just failed, if it was not cancelled.
        self.failed = None

    def admit(self, ask):
        answer, now = self.breaker.admit(ask), running_clock().monotonic()
        is_probing = self.state is State.HALF_OPEN
        running = [end for end in self.leases.values() if end > now]
        if not isinstance(answer, Permit):
            self.expect(running or not is_probing, "refused because of a lease that is over")
            return answer
        self.expect(not running or not is_probing, "two probes at once")
        self.seen["probes"] += is_probing
        self.seen["probes after a lease that was over"] += is_probing and bool(self.leases)
        permit = TimedPermit(self, ask, now, self.era)
        self.permits[id(permit)] = answer
        self.leases[id(permit)] = now + (self.lease or RECOVERY)
        return permit

    def lease_for(self, seconds):
        self.lease = seconds
        self.breaker.lease_for(seconds)

    def lease_extended(self, permit, until):
        if self.leases.get(id(permit), 0.0) > running_clock().monotonic():
            self.leases[id(permit)] = max(until, self.leases[id(permit)])
        self.permits[id(permit)].extend_lease(until)

    def answered(self, permit):
        self.leases.pop(id(permit), None)
        self.permits[id(permit)].answered()

    def settled(self, permit, outcome):
        self.leases.pop(id(permit), None)
        is_blamed = evidence(outcome) is True and asyncio.current_task() in self.gone
        self.expect(not is_blamed, "failed because its caller had gone")
        is_excused = outcome is ABANDONED and asyncio.current_task() is self.failed
        self.expect(self.failed is None or not is_excused, "nobody's, though its caller has stayed")
        self.failed = None
        self.seen["stale outcomes"] += permit.generation != self.era
        if permit.generation == self.era:
            self.seen["probes given up"] += self.state is State.HALF_OPEN and outcome is ABANDONED
            self.bad += evidence(outcome) is True
            self.good += evidence(outcome) is False
        must, before = self.verdicts(permit, outcome), self.state
        self.permits.pop(id(permit)).settle(outcome)
        opened = (before, self.state) == (State.CLOSED, State.OPEN)
        self.expect(before is not State.CLOSED or opened in must, f"opened: {opened}, not {must}")
        is_decided = self.bad or self.good >= SUCCESSES
        self.expect(self.state is not State.HALF_OPEN or not is_decided, "decided, but not moved")

    def verdicts(self, permit, outcome):
        """Whether *outcome* must open it: the rule, on all that was heard since it closed."""
        failed = evidence(outcome)
        if permit.generation != self.era or self.state is not State.CLOSED or failed is None:
            return {False}
        now = running_clock().monotonic()
        self.oracle.log.append(Entry(now, failed, slow=False))
        return self.oracle.is_failing(now) if failed else {False}

    def cancelled(self, permit):
        self.leases.pop(id(permit), None)
        self.permits.pop(id(permit)).cancel()

    def heard(self, event):
        may = {
            (State.CLOSED, State.OPEN): self.bad >= FAILURES,
            (State.OPEN, State.HALF_OPEN): True,
            (State.HALF_OPEN, State.OPEN): self.bad == 1,
            (State.HALF_OPEN, State.CLOSED): self.good == SUCCESSES,
        }
        before, after = State(event.before), State(event.after)
        seen = f"{before} to {after} after {self.good} good and {self.bad} bad"
        self.expect(before is self.state and may.get((before, after), False), seen)
        if before is State.CLOSED:
            self.seen["by a run" if "in a row" in event.cause else "by its share"] += 1
        self.oracle.log.clear()
        self.state, self.good, self.bad = after, 0, 0
        self.since = running_clock().monotonic()
        self.era += 1
        self.leases.clear()

    def begin(self):
        """A request is sent; who was let in before in this instant could not know."""
        is_shut = self.state is State.OPEN and self.since < running_clock().monotonic()
        self.expect(not is_shut, "sent through an open circuit")

    def expect(self, holds, otherwise):
        """Gates and listeners can't raise, so what went wrong is kept."""
        if not holds:
            self.faults.append(otherwise)
