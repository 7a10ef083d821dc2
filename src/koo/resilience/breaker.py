"""The circuit breaker: a gate before its circuit, and what a person may do to that by hand.

            CLOSED     --> a permit; while admission ramps up, to so many as the ramp is wide
    admit - OPEN       --> a refusal, until the wait is over; the call that comes then probes
            HALF_OPEN  --> a probe under a lease, or a refusal while as many as may are out

The mode is set by hand and stands above the state; in SHADOW every refusal is only counted.
Looking changes nothing.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from ..errors import CircuitOpen
from .breaker_circuit import Circuit
from .breaker_config import BreakerConfig, BreakerStats, Mode, State
from .breaker_rules import check_lease, check_wait
from .gate import Permit, TimedPermit, issue
from .outcome import SUCCESS, Ask, Outcome, Success

__all__ = ["BreakerConfig", "BreakerStats", "CircuitBreaker", "Mode", "State"]

_NO_EVIDENCE: Final = -1


class CircuitBreaker(Circuit):
    """A gate that stops calls to a dependency that fails, and finds out when it is back."""

    __slots__ = ()

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
        if self._plain and (outcome is SUCCESS or isinstance(outcome, Success)):
            self._window.add_success(now)
            return
        self._let_go(permit)
        if self._state is State.HALF_OPEN:
            self._judge_probe(permit, outcome, now)
        else:
            self._record(permit, outcome, now)

    def cancelled(self, permit: Permit) -> None:
        """Take a slot back that is not used any longer."""
        self._let_go(permit)

    def answered(self, permit: TimedPermit) -> None:
        """Know how long a stream's first item took; a probe is then waited for no longer."""
        permit.took = permit.seconds(self._monotonic())
        self.cancelled(permit)

    def takes_along(self, permit: TimedPermit) -> bool:
        """Let in what was just refused, if the call of *permit* around it is a probe or ramps up.

        That it was refused doesn't stand, so it isn't counted.
        """
        is_part = permit.generation == self._generation and (
            self._state is State.HALF_OPEN or self._ramp is not None
        )
        self._rejected_total -= is_part
        return is_part

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
            latest=self._window.latest(tally.outcomes),
        )

    # -- what a person or a probe in the background may do ---------------------------

    def reset(self, cause: str = "reset by hand") -> None:
        """Close, ramped unless it was closed, and forget the failures.

        Calls in flight no longer count.
        """
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
            self._renew(cause)
        else:
            self._open(until, cause)

    def isolate(self, reason: str) -> None:
        """Refuse every call until :meth:`release` or :meth:`reset`, whatever the time.

        Isolated already, it has another *reason* and no more.
        """
        if self._mode is Mode.ISOLATED:
            self._renew(reason)
        else:
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
        # A listener that heard of it may have opened it again, or have taken the probe.
        if self._state is State.OPEN:
            return CircuitOpen(self.name, self._wait(now), self._cause)
        return self._refusal(now)

    def _half_open_refusal(self, now: float) -> CircuitOpen | None:
        slot = self._leases.wait(now, self._config.max_probes)
        if now < self._open_until:
            wait = max(self._open_until - now, slot)
            return CircuitOpen(self.name, wait, "a probe was asked to wait")
        return CircuitOpen(self.name, slot, "probing") if slot else None

    def _issue(self, ask: Ask, now: float) -> Permit:
        permit = TimedPermit(self, ask, now, self._generation)
        self._watch(permit, now)
        return permit


def _stay(_: str) -> None:
    """The move of a mode that leaves the state as it is."""
