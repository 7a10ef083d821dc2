"""The states of a circuit breaker and all that moves it; it admits nobody.

                 enough failures                    wait over, next call probes
      CLOSED ------------------------> OPEN --------------------------------> HALF_OPEN
        ^                               ^                                       |   |
        |                               +--- one decisive failure: wait doubles-+   |
        +--------------- success_threshold successes (admission ramps up) ----------+

It trips at ``failure_threshold`` failures in the window that are also at least
``failure_rate`` of its outcomes, or at as many of them in a row, with no
success between, spread over at least ``streak_span``. What is in flight for
longer than ``slow_threshold`` counts as slow before it ends. Every transition and
every change of mode begins a new generation, and an outcome of an older one moves
nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from .breaker_config import BreakerConfig, Mode, State, believed, configured
from .breaker_leases import NO_LEASES, Leases
from .breaker_ramp import Ramp
from .breaker_rules import why_failing, why_probe_failed, why_slow
from .clock import RANDOM, SYSTEM_CLOCK, Clock, Random
from .events import Listener, ModeChanged, ignore, moved, tell
from .flights import Flights
from .gate import Permit, check_gate
from .outcome import SUCCESS, Failure, Outcome, is_evidence
from .window import OutcomeWindow

__all__ = ["Circuit"]

_NO_FLIGHTS: Final = Flights()


class Circuit:
    """Where a breaker stands, and its steps from there."""

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

    # -- on their way --------------------------------------------------------------------

    def _watch(self, permit: Permit, now: float) -> None:
        """Know of a call until it is let go: a probe by its lease, another by its beginning."""
        if self._state is State.HALF_OPEN:
            self._leases.add(permit, now, self._lease or self._config.recovery_timeout)
        elif self._mode is not Mode.DISABLED:
            if self._flying is _NO_FLIGHTS:
                self._flying = Flights()
            self._flying.begin(id(permit), now)

    def _let_go(self, permit: Permit) -> None:
        self._leases.drop(permit)
        self._flying.end(id(permit))

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
