"""Waiting in a gate's line, which is the one place where a refused call waits.

refusal with a line --> Place joins it --> granted: ask the other gates
                             |                        |-- all admit: go
                             |                        +-- one refuses: give back, join there
                             +-- patience over, refused, cancelled: leave
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, Future, TimerHandle, get_running_loop
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass

from ...errors import Rejected
from ..gate import Permit
from ..line import LinedGate
from ..outcome import Ask
from ..timers import SLACK, running_loop
from .call import Call

__all__ = ["LoopHome", "Place", "wait_for_permits"]


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
    """One caller's place in line."""

    __slots__ = ("_answer", "_loop", "_timer", "arrived", "ask", "home")

    def __init__(self, ask: Ask, arrived: float) -> None:
        self.ask = ask
        self.arrived = arrived
        self._loop = get_running_loop()
        self.home = LoopHome(self._loop)
        self._answer: Future[Permit | Rejected | None] = self._loop.create_future()
        self._timer: TimerHandle | None = None

    def grant(self, permit: Permit) -> bool:
        """Take *permit*; False if the caller has gone."""
        if self._answer.done():
            return False
        self._answer.set_result(permit)
        return True

    def refuse(self, rejection: Rejected) -> None:
        """Hear that waiting has become useless."""
        if not self._answer.done():
            self._answer.set_result(rejection)

    def serve_in(self, seconds: float, gate: LinedGate) -> None:
        """Being first in line, call ``gate.serve()`` in *seconds*."""
        self._stop_timer()
        self._timer = self._loop.call_later(seconds + SLACK, gate.serve)

    async def wait(self, gate: LinedGate, patience: float) -> Permit | Rejected | None:
        """The permit or refusal that came within *patience* seconds, else None."""
        end = self._loop.call_later(patience, self._give_up)
        try:
            return await self._answer
        except BaseException:
            self._hand_on()
            raise
        finally:
            end.cancel()
            self._stop_timer()
            if self._heard is None:
                # Whom the gate has answered it has taken out; to look for him costs the whole line.
                gate.leave(self)

    @property
    def _heard(self) -> Permit | Rejected | None:
        """What the gate has answered, if it has."""
        answer = self._answer
        return answer.result() if answer.done() and not answer.cancelled() else None

    def _give_up(self) -> None:
        if not self._answer.done():
            self._answer.set_result(None)

    def _hand_on(self) -> None:
        """Cancelled in the instant after the grant: the permit goes to the next."""
        if isinstance(answer := self._heard, Permit):
            answer.cancel()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


async def wait_for_permits(call: Call, refusal: Rejected) -> Rejected | None:
    """Wait in line until *call* holds every permit; the refusal that stands, else None."""
    arrived = call.policy.monotonic()
    until = _end_of_patience(call, arrived)
    while True:
        gate, now = refusal.line, call.policy.monotonic()
        if until is None or not isinstance(gate, LinedGate) or now >= until:
            return refusal
        due = refusal.retry_after if refusal.soonest is None else refusal.soonest
        if due is not None and now + due >= until:
            return refusal
        place = Place(call.ask, arrived)
        if (full := gate.join(place)) is not None:
            return full
        answer = await place.wait(gate, until - now)
        call.waited += call.policy.monotonic() - now
        match answer:
            case None:
                return refusal
            case Rejected():
                refusal = answer
            case permit if call.policy.monotonic() >= until:
                permit.cancel()
                return refusal
            case permit:
                beside = call.admit_beside(permit, gate)
                if beside is None:
                    return None
                refusal = beside


def _end_of_patience(call: Call, now: float) -> float | None:
    patience = call.policy.patience
    ends = [call.deadline_at, None if patience is None else now + patience]
    return min((end for end in ends if end is not None), default=None)
