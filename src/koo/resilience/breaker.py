"""The circuit breaker.

                 enough failures                    wait over, next call probes
      CLOSED ------------------------> OPEN --------------------------------> HALF_OPEN
        ^                               ^                                       |   |
        |                               +--- one decisive failure: wait doubles-+   |
        +--------------- success_threshold successes (admission ramps up) ----------+

It trips at ``failure_threshold`` failures in the window that are also at least
``failure_rate`` of its outcomes, or at as many of them in a row, with no
success between, spread over at least ``streak_span``. What is in flight for
longer than ``slow_threshold`` counts as slow before it ends. Looking changes
nothing; every transition and every change of mode begins a new generation, and
an outcome of an older one moves nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from ..errors import CircuitOpen
from .breaker_config import SHOWN, BreakerConfig, BreakerStats, Mode, State, believed, configured
from .breaker_leases import NO_LEASES, Leases
from .breaker_ramp import Ramp
from .breaker_rules import check_lease, check_wait, why_failing, why_probe_failed, why_slow
from .clock import RANDOM, SYSTEM_CLOCK, Clock, Random
from .events import Listener, ModeChanged, StateRenewed, ignore, moved, tell
from .flights import Flights
from .gate import Permit, TimedPermit, check_gate, issue
from .outcome import SUCCESS, Ask, Failure, Outcome, is_evidence
from .window import OutcomeWindow

__all__ = ["BreakerConfig", "BreakerStats", "CircuitBreaker", "Mode", "State"]

_NO_EVIDENCE: Final = -1
_NO_FLIGHTS: Final = Flights()


class CircuitBreaker:
    """A gate that stops calls to a dependency that fails, and finds out when it is back."""

    __slots__ = (
        "__weakref__",
        "_cause",
        "_clock",
        "_config",
        "_failed_probes",
        "_flying",
        "_generation",
        "_is_shut",
        "_lease",
        "_leases",
        "_mode",
        "_monotonic",
        "_on_event",
        "_open_until",
        "_opened_total",
        "_plain",
        "_ramp",
        "_random",
        "_rejected_total",
        "_since",
        "_state",
        "_successes",
        "_window",
        "_would_reject_total",
        "double_settled_total",
        "name",
    )

    def __init__(
        self,
        name: str,
        config: BreakerConfig | None = None,
        *,
        clock: Clock = SYSTEM_CLOCK,
        random: Random = RANDOM,
        on_event: Listener = ignore,
    ) -> None:
        check_gate("CircuitBreaker", name, clock, random=random, on_event=on_event)
        self.name = name
        self.double_settled_total = 0
        self._config = configured(name, config)
        self._clock = clock
        self._monotonic = clock.monotonic
        self._random = random
        self._on_event = on_event
        self._window = OutcomeWindow(self._config.window)
        self._state = State.CLOSED
        self._mode = Mode.NORMAL
        self._generation = 0
        self._since: float | None = None
        self._cause: str | None = None
        self._open_until = 0.0
        self._failed_probes = self._successes = 0
        self._leases, self._flying = NO_LEASES, _NO_FLIGHTS
        self._lease: float | None = None
        self._ramp: Ramp | None = None
        self._rejected_total = self._would_reject_total = self._opened_total = 0
        self._settle_pace()

    # -- the gate ------------------------------------------------------------------

    def admit(self, ask: Ask) -> Permit | CircuitOpen:
        """Let a call through, or say when the next may try."""
        if self._plain:
            return issue(self, ask, 0.0, self._generation)
        monotonic = self._monotonic
        now = monotonic()
        if self._is_shut and now < self._open_until:
            self._rejected_total += 1
            return CircuitOpen(self.name, self._open_until - now, self._cause)
        refusal = self._refusal(now)
        if refusal is None:
            return self._issue(ask, now)
        if self._mode is Mode.SHADOW:
            self._would_reject_total += 1
            return Permit(self, ask, now, _NO_EVIDENCE)
        self._rejected_total += 1
        return refusal

    def settled(self, permit: Permit, outcome: Outcome) -> None:
        """Learn how a call ended; what began in an older generation changes nothing."""
        if permit.generation != self._generation:
            return
        monotonic = self._monotonic
        now = monotonic()
        if outcome is SUCCESS and self._plain:
            self._window.add_success(now)
            return
        self._leases.drop(permit)
        self._flying.end(id(permit))
        if self._state is State.HALF_OPEN:
            self._judge_probe(permit, outcome, now)
        else:
            self._record(permit, outcome, now)

    def cancelled(self, permit: Permit) -> None:
        """Take a slot back that is not used any longer."""
        self._leases.drop(permit)
        self._flying.end(id(permit))

    def answered(self, permit: TimedPermit) -> None:
        """Know how long a stream's first item took; a probe is then waited for no longer."""
        permit.took = permit.seconds(self._monotonic())
        self.cancelled(permit)

    def is_probe(self, permit: TimedPermit) -> bool:
        """Whether what *permit* allowed is to show that the dependency is back."""
        return self._state is State.HALF_OPEN and permit.generation == self._generation

    def lease_for(self, seconds: float) -> None:
        """Lease probes for so many *seconds* (above 0), or as long as another attempt may take."""
        check_lease(self.name, seconds)
        self._lease = max(seconds, self._lease or 0.0)

    def lease_extended(self, permit: TimedPermit, until: float) -> None:
        """Lease the probe until its attempt's own end, if that is later."""
        self._leases.extend(permit, until, self._monotonic())

    def stats(self) -> BreakerStats:
        """A photograph."""
        now = self._monotonic()
        tally = self._window.tally(now)
        return BreakerStats(
            name=self.name,
            state=self._state,
            mode=self._mode,
            failures=tally.failures,
            slow=tally.slow,
            outcomes=tally.outcomes,
            failure_threshold=self._config.failure_threshold,
            successes=self._successes,
            probes=self._leases.count(now),
            retry_after=self._wait(now),
            since=self._since,
            cause=self._cause,
            generation=self._generation,
            rejected_total=self._rejected_total,
            would_reject_total=self._would_reject_total,
            opened_total=self._opened_total,
            double_settled_total=self.double_settled_total,
            latest=self._window.latest(min(SHOWN, tally.outcomes)),
        )

    # -- what a person or a probe in the background may do ---------------------------

    def reset(self, cause: str = "reset by hand") -> None:
        """Close, ramped, and forget the failures; calls in flight no longer count."""
        self._switch(Mode.NORMAL, cause, self._close)

    def half_open(self, cause: str = "the dependency answers again") -> None:
        """End the open wait: the next call probes. Does nothing unless open and not isolated."""
        if self._state is State.OPEN and self._mode is not Mode.ISOLATED:
            self._open_until = self._monotonic()
            self._enter(State.HALF_OPEN, cause)

    def open_until(self, seconds: float, cause: str) -> None:
        """Open for *seconds*, because the other side said so; longer than any wait under way.

        Does nothing in a mode that a person has set, but for SHADOW. Raises ValueError for
        what is no time to wait.
        """
        check_wait(self.name, seconds)
        if self._mode not in {Mode.NORMAL, Mode.SHADOW}:
            return
        until = self._monotonic() + seconds
        if self._state is State.OPEN:
            self._open_until = max(until, self._open_until)
            self._cause = cause
            tell(self._on_event, StateRenewed(self.name, State.OPEN, cause))
            return
        self._open(until, cause)

    def isolate(self, reason: str) -> None:
        """Refuse every call until :meth:`release` or :meth:`reset`, whatever the time."""
        self._switch(Mode.ISOLATED, reason, partial(self._open, self._monotonic()))

    def release(self) -> None:
        """End any special mode; an isolated breaker closes, ramped."""
        move = self._close if self._mode is Mode.ISOLATED else _stay
        self._switch(Mode.NORMAL, "released by hand", move)

    def force_close(self) -> None:
        """Admit everything and never open, but go on counting."""
        self._switch(Mode.FORCED_CLOSED, "closed by hand", self._close)

    def disable(self) -> None:
        """Admit everything and count nothing."""
        self._switch(Mode.DISABLED, "disabled by hand", self._close)

    def shadow(self) -> None:
        """Move as if in charge, but admit everything and count what would have been refused.

        It ends any other mode: of an isolation only the open state is left, which probes next.
        """
        self._switch(Mode.SHADOW, "only watching, by hand", _stay)

    # -- admission -------------------------------------------------------------------

    def _refusal(self, now: float) -> CircuitOpen | None:
        if self._state is State.OPEN:
            return self._open_refusal(now)
        if self._state is State.HALF_OPEN:
            return self._half_open_refusal(now)
        return None if self._mode.never_opens else self._closed_refusal(now)

    def _closed_refusal(self, now: float) -> CircuitOpen | None:
        if self._overdue(now) and (cause := self._why_slow(now)):
            self._trip(now, cause)
            return CircuitOpen(self.name, self._wait(now), self._cause)
        if (ramp := self._ramp) is None:
            return None
        if now >= ramp.widens_at and not ramp.widen(now):
            self._end_ramp()
        elif ramp.refuses(len(self._flying)):
            return CircuitOpen(self.name, ramp.widens_at - now, "recovering")
        return None

    def _open_refusal(self, now: float) -> CircuitOpen | None:
        if self._mode is Mode.ISOLATED or now < self._open_until:
            return CircuitOpen(self.name, self._wait(now), self._cause)
        self._enter(State.HALF_OPEN, "the wait is over; probing")
        # A listener that heard of it may have opened it again.
        is_open = self._state is State.OPEN
        return CircuitOpen(self.name, self._wait(now), self._cause) if is_open else None

    def _half_open_refusal(self, now: float) -> CircuitOpen | None:
        if now < self._open_until:
            return CircuitOpen(self.name, self._open_until - now, "a probe was asked to wait")
        slot = self._leases.wait(now, self._config.max_probes)
        return CircuitOpen(self.name, slot, "probing") if slot else None

    def _issue(self, ask: Ask, now: float) -> Permit:
        permit = TimedPermit(self, ask, now, self._generation)
        if self._state is State.HALF_OPEN:
            self._leases.add(permit, now, self._lease or self._config.recovery_timeout)
        elif self._mode is not Mode.DISABLED:
            if self._flying is _NO_FLIGHTS:
                self._flying = Flights()
            self._flying.begin(id(permit), now)
        return permit

    # -- judgement -------------------------------------------------------------------

    def _record(self, permit: Permit, outcome: Outcome, now: float) -> None:
        if self._mode is Mode.DISABLED or not is_evidence(outcome):
            return
        window = self._window
        if isinstance(outcome, Failure) and outcome.trips:
            window.add_failure(now)
        else:
            window.add_success(now)
            if self._ramp is not None:
                self._ramp.width += 1
        if self._config.is_slow(permit.seconds(now)):
            window.note_slow(now)
        if self._mode is Mode.FORCED_CLOSED:
            return
        if cause := self._why_slow(now) or why_failing(self._config, window, outcome, now):
            self._trip(now, cause, outcome)

    def _why_slow(self, now: float) -> str | None:
        return why_slow(self._config, self._window, self._overdue(now), now)

    def _overdue(self, now: float) -> int:
        threshold = self._config.slow_threshold
        return 0 if threshold is None else self._flying.overdue(now, threshold)

    def _judge_probe(self, permit: Permit, outcome: Outcome, now: float) -> None:
        if not is_evidence(outcome):
            self._heed(outcome, now)
            return
        if cause := why_probe_failed(self._config, outcome, permit.seconds(now)):
            self._failed_probes += 1
            self._trip(now, cause, outcome)
            return
        self._successes += 1
        if self._successes >= self._config.success_threshold:
            self._close(f"{self._successes} probes succeeded")

    def _heed(self, outcome: Outcome, now: float) -> None:
        """A throttled probe says nothing of health, but when the next one may come."""
        if isinstance(outcome, Failure):
            self._open_until = max(self._open_until, now + believed(outcome.retry_after))

    # -- transitions -------------------------------------------------------------------

    def _trip(self, now: float, cause: str, outcome: Outcome = SUCCESS) -> None:
        hint = outcome.retry_after if isinstance(outcome, Failure) else None
        wait = self._config.open_wait(self._failed_probes, self._random(), hint)
        self._open(now + wait, cause)

    def _open(self, until: float, cause: str) -> None:
        self._open_until = until
        self._opened_total += 1
        self._enter(State.OPEN, cause)

    def _close(self, cause: str) -> None:
        self._failed_probes = 0
        self._ramp = None if self._mode.never_opens else Ramp(self._config, self._monotonic())
        self._window.clear()
        self._enter(State.CLOSED, cause)

    def _enter(self, state: State, cause: str) -> None:
        before, self._state = self._state, state
        self._successes = 0
        self._begin_generation()
        self._settle_pace()
        self._cause = cause
        self._since = self._clock.time()
        tell(self._on_event, moved(self.name, before, state, cause))

    def _begin_generation(self) -> None:
        """What is on its way was admitted under other rules and moves nothing any more."""
        self._generation += 1
        self._leases = Leases() if self._state is State.HALF_OPEN else NO_LEASES
        self._flying = _NO_FLIGHTS

    def _end_ramp(self) -> None:
        self._ramp = None
        if self._config.slow_threshold is None:
            self._flying = _NO_FLIGHTS
        self._settle_pace()

    def _switch(self, mode: Mode, cause: str, move: Callable[[str], None]) -> None:
        """Go into *mode*, then *move* to the state that belongs to it."""
        before, self._mode = self._mode, mode
        if before is not mode:
            self._begin_generation()
        self._settle_pace()
        move(cause)
        if before is not mode:
            tell(self._on_event, ModeChanged(self.name, before, mode, cause))

    def _settle_pace(self) -> None:
        """Know beforehand the two usual answers: closed without a doubt, and open in charge."""
        self._is_shut = self._state is State.OPEN and self._mode is Mode.NORMAL
        self._plain = (
            self._state is State.CLOSED
            and self._ramp is None
            and self._mode in {Mode.NORMAL, Mode.SHADOW, Mode.FORCED_CLOSED}
            and self._config.slow_threshold is None
        )

    # -- looking -------------------------------------------------------------------------

    def _wait(self, now: float) -> float | None:
        if self._mode is Mode.ISOLATED:
            return None
        if self._state is State.CLOSED:
            return 0.0
        return max(self._open_until - now, self._leases.wait(now, self._config.max_probes))


def _stay(_: str) -> None:
    """The move of a mode that leaves the state as it is."""
