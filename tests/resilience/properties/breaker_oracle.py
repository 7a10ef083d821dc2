"""A circuit breaker as its description reads: an exact log, counted anew at every question.

It keeps every outcome since it last became closed, and knows nothing of marks, buckets or ids.
By time the real one may look further back than it promises, by a tenth of the span and a
twentieth of the age. So the oracle names every window that would be right; where these do not
agree on a verdict, both are right.
"""

from dataclasses import dataclass, field
from math import inf

from koo.resilience import Failure, Mode, RetryClass, State, Success

JITTER = 0.1
GROWTH = (1.0, 2.0, 4.0, 5.0)
LONGEST_HINT = 3600.0


@dataclass(eq=False)
class Ticket:
    """The oracle's side of a permit."""

    began: float
    era: int
    counts: bool = True
    lease_end: float | None = None
    took: float | None = None


@dataclass(frozen=True)
class Entry:
    """One outcome in the log."""

    at: float
    failed: bool
    slow: bool


def evidence(outcome):
    """True for a failure of the dependency, False for its success, None for neither."""
    match outcome:
        case Success():
            return False
        case Failure(trips=True):
            return True
        case Failure(retry_class=RetryClass.THROTTLED):
            return None
        case Failure():
            return False
    return None


@dataclass
class BreakerOracle:
    """What a breaker with *config* must do, when every jitter is drawn as *luck*."""

    config: object
    luck: float
    state: State = State.CLOSED
    mode: Mode = Mode.NORMAL
    era: int = 0
    log: list[Entry] = field(default_factory=list)
    flying: list[Ticket] = field(default_factory=list)
    probes: list[Ticket] = field(default_factory=list)
    moves: list[tuple[str, str]] = field(default_factory=list)
    good_probes: int = 0
    failed_probes: int = 0
    opens_until: float = 0.0
    lease: float | None = None
    ramp_widens_at: float = 0.0
    ramp_room: float = inf
    ramp_is_tight: bool = False
    rejected: int = 0
    would_reject: int = 0
    twice: int = 0
    openings: int = 0

    # -- asking ------------------------------------------------------------------------------

    def admits(self, now):
        """Whether a call may go; True and False both if either would be right."""
        match self.state:
            case State.OPEN:
                return {self.mode is not Mode.ISOLATED and now >= self.opens_until}
            case State.HALF_OPEN:
                has_room = len(self.live_probes(now)) < self.config.max_probes
                return {has_room and now >= self.opens_until}
        if self.mode in {Mode.DISABLED, Mode.FORCED_CLOSED}:
            return {True}
        ramped = len(self.flying) >= self.room_at(now)
        return {not (opens or ramped) for opens in self.opens_at_the_door(now)}

    def room_at(self, now):
        """How many calls may be in flight: doubled when it is due, unless nobody needed that."""
        if now < self.ramp_widens_at:
            return self.ramp_room
        return 2 * self.ramp_room if self.ramp_is_tight else inf

    def _pass_the_ramp(self, now):
        """What a call at the door makes of the ramp."""
        is_due = now >= self.ramp_widens_at
        self.ramp_room = self.room_at(now)
        if is_due:
            self.ramp_is_tight = False
            self.ramp_widens_at = now + self.config.ramp_timeout
        if len(self.flying) >= self.ramp_room:
            self.ramp_is_tight = True

    def opens_at_the_door(self, now):
        """Whether asking shows that calls in flight are too slow."""
        is_in_charge = self.mode not in {Mode.DISABLED, Mode.FORCED_CLOSED}
        if self.state is State.CLOSED and is_in_charge and self.overdue(now):
            return self.is_too_slow(now)
        return {False}

    def admit(self, now, admitted, *, opened, deadline_at=None):
        """Follow an admission or a refusal, and whether it opened; the ticket, if there is one."""
        assert admitted in self.admits(now), f"admitted: {admitted}"
        assert opened in self.opens_at_the_door(now), f"opened: {opened}"
        if opened:
            self._trip(now)
        elif self.state is State.CLOSED and self.mode not in {Mode.DISABLED, Mode.FORCED_CLOSED}:
            self._pass_the_ramp(now)
        if not admitted:
            if self.mode is Mode.SHADOW:
                self.would_reject += 1
                return Ticket(now, self.era, counts=False)
            self.rejected += 1
            return None
        if self.state is State.OPEN:
            self._move(State.HALF_OPEN)
        ticket = Ticket(now, self.era)
        if self.state is State.HALF_OPEN:
            lease = self.lease or self.config.recovery_timeout
            ends = [now + lease, *([] if deadline_at is None else [deadline_at])]
            ticket.lease_end = min(ends)
            self.probes.append(ticket)
        elif self.mode is not Mode.DISABLED:
            self.flying.append(ticket)
        return ticket

    def retry_after(self, now):
        """Seconds until asking may help: None if only a person can, 0 if calls pass."""
        if self.mode is Mode.ISOLATED:
            return None
        if self.state is State.OPEN:
            return max(0.0, self.opens_until - now)
        if self.state is State.CLOSED:
            return 0.0
        live = self.live_probes(now)
        is_full = len(live) >= self.config.max_probes
        ends = [now, self.opens_until, *([min(p.lease_end for p in live)] if is_full else [])]
        return max(ends) - now

    def live_probes(self, now):
        """The probes whose lease has not ended."""
        return [probe for probe in self.probes if probe.lease_end > now]

    def may_take(self, seconds):
        """An attempt may take so long, and so may a probe."""
        self.lease = max(seconds, self.lease or 0.0)

    def extend(self, ticket, now, until):
        """This attempt takes longer than others."""
        if ticket in self.live_probes(now):
            ticket.lease_end = max(until, ticket.lease_end)

    def answer(self, ticket, now):
        """The first item of a stream has come: from here on, nobody waits for this call."""
        if ticket.took is None:
            ticket.took = now - ticket.began
        self.cancel(ticket)

    # -- settling ----------------------------------------------------------------------------

    def cancel(self, ticket):
        """Nothing was sent."""
        if ticket in self.flying:
            self.flying.remove(ticket)
        if ticket in self.probes:
            self.probes.remove(ticket)

    def settle(self, ticket, outcome, now, opened):
        """Follow an outcome; *opened* says what the real breaker made of a doubtful one."""
        self.cancel(ticket)
        failed = evidence(outcome)
        if not ticket.counts or ticket.era != self.era:
            return
        if failed is None:
            self._heed(outcome, now)
            return
        took = now - ticket.began if ticket.took is None else ticket.took
        slow = self.config.slow_threshold is not None and took > self.config.slow_threshold
        if self.state is State.HALF_OPEN:
            self._judge_probe(failed or slow, outcome, now)
        elif self.mode is not Mode.DISABLED:
            self._record(Entry(now, failed, slow), outcome, opened)

    def _judge_probe(self, bad, outcome, now):
        if bad:
            self.failed_probes += 1
            self._trip(now, outcome)
            return
        self.good_probes += 1
        if self.good_probes >= self.config.success_threshold:
            self.close(now)

    def _heed(self, outcome, now):
        """A throttled probe is no evidence, but the next one waits as long as it was asked to."""
        if self.state is State.HALF_OPEN:
            hint = getattr(outcome, "retry_after", None) or 0.0
            self.opens_until = max(self.opens_until, now + min(hint, LONGEST_HINT))

    def _record(self, entry, outcome, opened):
        self.log.append(entry)
        self.ramp_room += not entry.failed
        if self.mode is Mode.FORCED_CLOSED:
            return
        verdicts = self.is_too_slow(entry.at)
        if entry.failed:
            verdicts = {slow or bad for slow in verdicts for bad in self.is_failing(entry.at)}
        assert opened in verdicts, f"opened: {opened}, but right would be {verdicts}"
        if opened:
            self._trip(entry.at, outcome)

    # -- the rules ---------------------------------------------------------------------------

    def windows(self, now):
        """Every window that may be called right, the exact one last."""
        shape, log = self.config.window, self.log
        last_ones = len(log) - shape.size
        aged = self._older_than(now, shape.age, shape.age / 20)
        starts = [max(last_ones, start, 0) for start in aged]
        if shape.span:
            recent = self._older_than(now, shape.span, shape.span / 10)
            starts = [min(start, other) for start in starts for other in recent]
        return [log[start:] for start in range(min(starts), max(starts) + 1)]

    def _older_than(self, now, length, slack):
        """How many outcomes lie before the window at most, and with *slack* at least."""
        exact = sum(entry.at <= now - length for entry in self.log)
        lenient = sum(entry.at < now - length - slack - 1e-9 for entry in self.log)
        return lenient, exact

    def is_failing(self, now):
        """Whether failures open it: half of the window, or so many in a row for so long."""
        config = self.config
        row = []
        for entry in reversed(self.log):
            if not entry.failed:
                break
            row.append(entry)
        is_run = len(row) >= config.failure_threshold and now - row[-1].at >= config.streak_span
        return {
            (failures := sum(entry.failed for entry in window)) >= config.failure_threshold
            and (is_run or failures >= config.failure_rate * len(window))
            for window in self.windows(now)
        }

    def overdue(self, now):
        """How many calls in flight are slow already."""
        threshold = self.config.slow_threshold
        if threshold is None:
            return 0
        return sum(now - ticket.began > threshold for ticket in self.flying)

    def is_too_slow(self, now):
        """Whether slow calls open it, those in flight included."""
        if self.config.slow_threshold is None:
            return {False}
        overdue = self.overdue(now)
        return {
            (slow := overdue + sum(entry.slow for entry in window)) >= self.config.failure_threshold
            and slow >= self.config.slow_rate * (len(window) + overdue)
            for window in self.windows(now)
        }

    # -- moving ------------------------------------------------------------------------------

    def _trip(self, now, outcome=None):
        growth = GROWTH[min(self.failed_probes, len(GROWTH) - 1)]
        wait = self.config.recovery_timeout * growth * (1 + JITTER * self.luck)
        hint = getattr(outcome, "retry_after", None) or 0.0
        self._open(now + max(wait, min(hint, LONGEST_HINT)))

    def _open(self, until):
        self.opens_until = until
        self.openings += self.state is not State.OPEN
        self._move(State.OPEN)

    def close(self, now):
        """Start anew, with few calls at first unless they passed before."""
        self.failed_probes = 0
        self.log.clear()
        if self.state is not State.CLOSED:
            self.ramp_widens_at = now + self.config.ramp_timeout
            self.ramp_room = self.config.ramp_start
            self.ramp_is_tight = False
        self._move(State.CLOSED)

    def _move(self, state):
        self.moves.append((self.state, state))
        self.state = state
        self.good_probes = 0
        self._outdate_what_flies()

    def _outdate_what_flies(self):
        self.era += 1
        self.flying.clear()
        self.probes.clear()

    # -- what a person may do ------------------------------------------------------------------

    def reset(self, now):
        self._switch(Mode.NORMAL, lambda: self.close(now))

    def half_open(self, now):
        if self.state is State.OPEN and self.mode is not Mode.ISOLATED:
            self.opens_until = now
            self._move(State.HALF_OPEN)

    def open_until(self, seconds, now):
        if self.mode not in {Mode.NORMAL, Mode.SHADOW}:
            return
        if self.state is State.OPEN:
            self.opens_until = max(self.opens_until, now + seconds)
            self.moves.append((State.OPEN, State.OPEN))
        else:
            self._open(now + seconds)

    def isolate(self, now):
        if self.mode is Mode.ISOLATED:
            self.moves.append((State.OPEN, State.OPEN))
        else:
            self._switch(Mode.ISOLATED, lambda: self._open(now))

    def release(self, now):
        was_isolated = self.mode is Mode.ISOLATED
        self._switch(Mode.NORMAL, lambda: self.close(now) if was_isolated else None)

    def shadow(self):
        self._switch(Mode.SHADOW, lambda: None)

    def take_over(self, mode, now):
        """Be closed by force, or disabled; there is no ramp, because everything is admitted."""
        self._switch(mode, lambda: self.close(now))
        self.ramp_room = inf

    def _switch(self, mode, move):
        before, self.mode = self.mode, mode
        if before is not mode:
            self._outdate_what_flies()
        move()
        if before is not mode:
            self.moves.append((before, mode))
