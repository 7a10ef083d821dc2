"""Waiting in a gate's line, which is the one place where a refused call waits.

refusal with a line --> Place joins it --> called: ask the other gates, there and then
                             |                        |-- all admit: go
                             |                        +-- one refuses: give back, join there
                             +-- patience over, refused, cancelled: leave

The gate's call is answered before anybody else is called. Callers that held one permit each
until it was their turn to run would refuse one another, and change places, for ever.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, Future, TimerHandle, get_running_loop
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass
from itertools import count
from typing import Final

from ...errors import Rejected
from ..gate import Gate, Permit, check_refusal, collected
from ..line import LinedGate
from ..timers import SLACK, running_loop
from .call import Call, goes_along

__all__ = ["LoopHome", "Place", "wait_for_permits"]

#: Strictly later for each, so that of any two the same one stands first in every line.
_ARRIVALS: Final = count()


@dataclass(frozen=True, slots=True)
class LoopHome:
    """The event loop on which callers wait."""

    loop: AbstractEventLoop

    @property
    def is_elsewhere(self) -> bool:
        """Whether another thread runs it; one that rests may be served from anywhere."""
        return self.loop.is_running() and running_loop() is not self.loop

    @property
    def is_gone(self) -> bool:
        """Whether it is closed, so that nobody who waits there will ever hear of anything."""
        return self.loop.is_closed()

    def call(self, action: Callable[[], object]) -> None:
        """Have *action* called there, soon; in no caller's context."""
        with suppress(RuntimeError):  # closed meanwhile: nobody waits there any more
            self.loop.call_soon_threadsafe(action, context=Context())


class Place:
    """One call's place in line."""

    __slots__ = (
        "_answer",
        "_call",
        "_gate",
        "_loop",
        "_refusal",
        "_timer",
        "_until",
        "arrived",
        "ask",
        "home",
    )

    _gate: LinedGate
    _refusal: Rejected

    def __init__(self, call: Call, until: float) -> None:
        self.ask = call.ask
        self.arrived = next(_ARRIVALS)
        self._call = call
        self._until = until
        self._loop = get_running_loop()
        self.home = LoopHome(self._loop)
        #: None: the call holds every permit.
        self._answer: Future[Rejected | None] = self._loop.create_future()
        self._timer: TimerHandle | None = None

    def line_up(self, refusal: Rejected) -> Rejected | None:
        """Join the line of the gate that has refused; what stands if that is of no use."""
        gate = refusal.line
        due = refusal.retry_after if refusal.soonest is None else refusal.soonest
        if not isinstance(gate, LinedGate) or not self.can_wait(due or 0.0):
            return refusal
        self._gate, self._refusal = gate, refusal
        return gate.join(self)

    def grant(self, permit: Permit) -> bool:
        """Take *permit* and those of the other gates, or line up; False if the caller has gone."""
        if self._answer.done():
            return False
        try:
            refusal = self._admit_beside(permit)
            standing = refusal and self.line_up(refusal)
        except Exception as error:  # noqa: BLE001 - the caller's own, not of whoever calls it
            self._answer.set_exception(error)
            return True
        if refusal is None or standing is not None:
            self._answer.set_result(standing)
        return True

    def refuse(self, rejection: Rejected) -> None:
        """Hear that waiting has become useless."""
        if not self._answer.done():
            self._answer.set_result(rejection)

    def can_wait(self, seconds: float) -> bool:
        """Whether its patience lasts for *seconds*."""
        return self._call.policy.monotonic() + seconds < self._until

    def serve_in(self, seconds: float, gate: LinedGate) -> None:
        """Being first in line, call ``gate.serve()`` in *seconds*."""
        self._stop_timer()
        self._timer = self._loop.call_later(seconds + SLACK, gate.serve)

    async def wait(self) -> Rejected | None:
        """Return when the call holds every permit, or the refusal that stands."""
        call, since = self._call, self._call.policy.monotonic()
        end = self._loop.call_later(self._until - since, self._give_up)
        try:
            standing = await self._answer
        except GeneratorExit:
            with collected():
                self._go_away()
            raise
        except BaseException:
            self._go_away()
            raise
        finally:
            end.cancel()
            self._stop_timer()
        now = call.policy.monotonic()
        call.waited += now - since
        if standing is None and now >= self._until:
            call.give_back()
            standing = self._refusal
        return self._last_word() if standing is self._refusal else standing

    def _admit_beside(self, held: Permit) -> Rejected | None:
        """Take the permits of all gates but the one that has given *held*, or none of any."""
        call = self._call
        call.permits = permits = [held]
        for gate in call.policy.gates:
            if gate is self._gate:
                # In the gates' order, as without a wait.
                permits.append(permits.pop(0))
                continue
            answer = self._ask_of(gate)
            if isinstance(answer, Permit):
                permits.append(answer)
                continue
            check_refusal(gate, answer)
            if not goes_along(gate, call.outer):
                call.give_back()
                return answer
        return None

    def _ask_of(self, gate: Gate) -> Permit | Rejected:
        return gate.admit_waiter(self) if isinstance(gate, LinedGate) else gate.admit(self.ask)

    def _give_up(self) -> None:
        if not self._answer.done():
            self._answer.set_result(self._refusal)
            self._gate.leave(self)

    def _last_word(self) -> Rejected:
        """What the gate says to who has waited in vain: much may have come since it said so."""
        answer = self._gate.admit(self.ask)
        if isinstance(answer, Rejected):
            return answer
        answer.cancel()
        self._gate.stand_by_refusal()
        self._refusal.retry_after = 0.0
        return self._refusal

    def _go_away(self) -> None:
        """Whom the gate has answered it has taken out; to look for him costs the whole line."""
        if self._answer.done() and not self._answer.cancelled():
            # Cancelled in the instant after it was called: what it holds goes to the next.
            self._call.give_back()
        else:
            self._gate.leave(self)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


async def wait_for_permits(call: Call) -> Rejected | None:
    """Wait in line until *call*, which was refused, holds every permit; else what stands."""
    until, refusal = _end_of_patience(call), call.refusal
    if until is None or refusal is None:
        return refusal
    place = Place(call, until)
    standing = place.line_up(refusal)
    return await place.wait() if standing is None else standing


def _end_of_patience(call: Call) -> float | None:
    policy, ends = call.policy, [call.deadline_at]
    if policy.patience is not None:
        ends.append(policy.monotonic() + policy.patience)
    return min((end for end in ends if end is not None), default=None)
