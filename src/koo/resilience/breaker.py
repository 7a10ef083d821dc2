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
nothing; every transition begins a new generation, and an outcome of an older
one moves nothing.

    mode      NORMAL as drawn | ISOLATED refuses all | FORCED_CLOSED records, never opens
              DISABLED admits all, records nothing | SHADOW as drawn, but admits all and counts
"""

from __future__ import annotations

from typing import Final

from ..errors import CircuitOpen
from .breaker_config import BreakerConfig, BreakerStats, Mode, State
from .breaker_rules import why_failing, why_probe_failed, why_slow
from .clock import RANDOM, SYSTEM_CLOCK, Clock, Random
from .events import Listener, ModeChanged, StateChanged, StateRenewed, ignore, tell
from .gate import HeldPermit, Permit, issue
from .outcome import SUCCESS, Ask, Failure, Outcome, is_evidence
from .window import OutcomeWindow

__all__ = ["BreakerConfig", "BreakerStats", "CircuitBreaker", "Mode", "State"]

_NO_EVIDENCE: Final = -1
#: How many of the last outcomes a photograph shows one by one.
_SHOWN: Final = 20
_NOBODY: Final[dict[int, float]] = {}
#: The modes in which a closed breaker never opens.
_UNBOUND: Final = frozenset({Mode.FORCED_CLOSED, Mode.DISABLED})


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
        "_leases",
        "_mode",
        "_monotonic",
        "_on_event",
        "_open_until",
        "_opened_total",
        "_plain",
        "_ramp",
        "_ramp_until",
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
        self.name = name
        self.double_settled_total = 0
        self._config = config or BreakerConfig()
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
        self._open_until = self._ramp_until = 0.0
        self._failed_probes = 0
        self._successes = 0
        self._leases = self._flying = _NOBODY
        self._ramp = 0
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
        self._return_slot(permit)
        if self._state is State.HALF_OPEN:
            self._judge_probe(permit, outcome, now)
        else:
            self._record(permit, outcome, now)

    def cancelled(self, permit: Permit) -> None:
        """Take a slot back that was not used."""
        if permit.generation == self._generation:
            self._return_slot(permit)

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
            probes=len(self._live_leases(now)),
            retry_after=self._wait(now),
            since=self._since,
            cause=self._cause,
            generation=self._generation,
            rejected_total=self._rejected_total,
            would_reject_total=self._would_reject_total,
            opened_total=self._opened_total,
            double_settled_total=self.double_settled_total,
            latest=self._window.latest(min(_SHOWN, tally.outcomes)),
        )

    # -- what a person or a probe in the background may do ---------------------------

    def reset(self, cause: str = "reset by hand") -> None:
        """Close, ramped, and forget the failures; calls in flight no longer count."""
        before = self._set_mode(Mode.NORMAL)
        self._close(cause)
        self._tell_mode(before, cause)

    def half_open(self, cause: str = "the dependency answers again") -> None:
        """End the open wait: the next call probes. Does nothing unless open and not isolated."""
        if self._state is State.OPEN and self._mode is not Mode.ISOLATED:
            self._enter(State.HALF_OPEN, cause)

    def open_until(self, seconds: float, cause: str) -> None:
        """Open for *seconds*, because the other side said so; longer than any wait under way.

        Does nothing in a mode that a person has set, but for SHADOW.
        """
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
        before = self._set_mode(Mode.ISOLATED)
        self._open(self._monotonic(), reason)
        self._tell_mode(before, reason)

    def release(self) -> None:
        """End any special mode; an isolated breaker closes, ramped."""
        before = self._set_mode(Mode.NORMAL)
        if before is Mode.ISOLATED:
            self._close("released by hand")
        self._tell_mode(before, "released by hand")

    def force_close(self) -> None:
        """Admit everything and never open, but go on counting."""
        self._take_over(Mode.FORCED_CLOSED, "closed by hand")

    def disable(self) -> None:
        """Admit everything and count nothing."""
        self._take_over(Mode.DISABLED, "disabled by hand")

    def shadow(self) -> None:
        """Move as if in charge, but admit everything and count what would have been refused.

        It ends any other mode: of an isolation only the open state is left, which probes next.
        """
        self._tell_mode(self._set_mode(Mode.SHADOW), "only watching, by hand")

    # -- admission -------------------------------------------------------------------

    def _refusal(self, now: float) -> CircuitOpen | None:
        if self._state is State.OPEN:
            return self._open_refusal(now)
        if self._state is State.HALF_OPEN:
            return self._half_open_refusal(now)
        if self._mode in _UNBOUND:
            return None
        return self._closed_refusal(now)

    def _closed_refusal(self, now: float) -> CircuitOpen | None:
        if self._is_any_overdue(now) and (cause := self._why_slow(now)):
            self._trip(now, cause)
            return CircuitOpen(self.name, self._wait(now), self._cause)
        if self._ramp and now >= self._ramp_until:
            self._end_ramp()
        if self._ramp and len(self._flying) >= self._ramp:
            return CircuitOpen(self.name, max(0.0, self._ramp_until - now), "recovering")
        return None

    def _open_refusal(self, now: float) -> CircuitOpen | None:
        if self._mode is Mode.ISOLATED or now < self._open_until:
            return CircuitOpen(self.name, self._wait(now), self._cause)
        self._enter(State.HALF_OPEN, "the wait is over; probing")
        return None

    def _half_open_refusal(self, now: float) -> CircuitOpen | None:
        for serial in [serial for serial, end in self._leases.items() if end <= now]:
            del self._leases[serial]
        if len(self._leases) < self._config.max_probes:
            return None
        return CircuitOpen(self.name, min(self._leases.values()) - now, "probing")

    def _issue(self, ask: Ask, now: float) -> Permit:
        permit = HeldPermit(self, ask, now, self._generation)
        if self._state is State.HALF_OPEN:
            self._leases = self._leases or {}
            self._leases[id(permit)] = self._config.lease_end(ask, now)
        elif self._mode is not Mode.DISABLED:
            self._flying = self._flying or {}
            self._flying[id(permit)] = now
        return permit

    def _return_slot(self, permit: Permit) -> None:
        self._leases.pop(id(permit), None)
        self._flying.pop(id(permit), None)

    # -- judgement -------------------------------------------------------------------

    def _record(self, permit: Permit, outcome: Outcome, now: float) -> None:
        if self._mode is Mode.DISABLED or not is_evidence(outcome):
            return
        window = self._window
        if isinstance(outcome, Failure) and outcome.trips:
            window.add_failure(now)
        else:
            window.add_success(now)
            self._ramp += 1 if self._ramp else 0
        if self._config.is_slow(now - permit.stamp):
            window.note_slow(now)
        if self._mode is not Mode.FORCED_CLOSED and (cause := self._verdict(outcome, now)):
            self._trip(now, cause, outcome)

    def _verdict(self, outcome: Outcome, now: float) -> str | None:
        return self._why_slow(now) or why_failing(self._config, self._window, outcome, now)

    def _why_slow(self, now: float) -> str | None:
        return why_slow(self._config, self._window, self._flying.values(), now)

    def _is_any_overdue(self, now: float) -> bool:
        oldest = next(iter(self._flying.values()), now)
        return self._config.is_slow(now - oldest)

    def _judge_probe(self, permit: Permit, outcome: Outcome, now: float) -> None:
        if not is_evidence(outcome):
            return
        if cause := why_probe_failed(self._config, outcome, now - permit.stamp):
            self._failed_probes += 1
            self._trip(now, cause, outcome)
            return
        self._successes += 1
        if self._successes >= self._config.success_threshold:
            self._close(f"{self._successes} probes succeeded")

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
        self._ramp = 0 if self._mode in _UNBOUND else self._config.ramp_start
        self._ramp_until = self._monotonic() + self._config.ramp_timeout
        self._window.clear()
        self._enter(State.CLOSED, cause)

    def _enter(self, state: State, cause: str) -> None:
        before, self._state = self._state, state
        self._generation += 1
        self._successes = 0
        self._leases = self._flying = _NOBODY
        self._settle_pace()
        self._cause = cause
        self._since = self._clock.time()
        tell(self._on_event, self._told(before, cause))

    def _end_ramp(self) -> None:
        self._ramp = 0
        if self._config.slow_threshold is None:
            self._flying = _NOBODY
        self._settle_pace()

    def _told(self, before: State, cause: str) -> StateChanged | StateRenewed:
        if before is self._state:
            return StateRenewed(self.name, before, cause)
        return StateChanged(self.name, before, self._state, cause)

    def _take_over(self, mode: Mode, cause: str) -> None:
        before = self._set_mode(mode)
        self._close(cause)
        self._tell_mode(before, cause)

    def _set_mode(self, mode: Mode) -> Mode:
        before, self._mode = self._mode, mode
        self._settle_pace()
        return before

    def _tell_mode(self, before: Mode, cause: str) -> None:
        if before is not self._mode:
            tell(self._on_event, ModeChanged(self.name, before, self._mode, cause))

    def _settle_pace(self) -> None:
        """Know beforehand the two usual answers: closed without a doubt, and open in charge."""
        self._is_shut = self._state is State.OPEN and self._mode is Mode.NORMAL
        self._plain = (
            self._state is State.CLOSED
            and not self._ramp
            and self._mode in {Mode.NORMAL, Mode.SHADOW, Mode.FORCED_CLOSED}
            and self._config.slow_threshold is None
        )

    # -- looking -------------------------------------------------------------------------

    def _wait(self, now: float) -> float | None:
        if self._mode is Mode.ISOLATED:
            return None
        if self._state is State.OPEN:
            return max(0.0, self._open_until - now)
        leases = self._live_leases(now)
        return min(leases) - now if len(leases) >= self._config.max_probes else 0.0

    def _live_leases(self, now: float) -> list[float]:
        return [end for end in self._leases.values() if end > now]
