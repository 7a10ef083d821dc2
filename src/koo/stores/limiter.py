"""A rate limiter that a restart does not forget, and that several processes share.

    head: {"paused_until": 0.0, "pending": {"requests": [1773187200.5, 3]}}
    body: {"requests": {"60.0": [1891399680, [0, 2, ...]], "3600.0": ...}}

What is pending since the last bucket ended changes with each call; the buckets, oldest
first, only when one of them ends. All moments are the store's.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

from ..errors import Rejected, StoreUnavailable
from ..resilience import (
    Ask,
    Clock,
    Listener,
    Outcome,
    Permit,
    RateLimiter,
    RateLimiterConfig,
    RateLimiterStats,
    Spent,
)
from .account import Account
from .budget import SharedBudget
from .file import Row, StateFile

__all__ = ["SharedLimiter"]

_DUE: Final = float("-inf")
_EMPTY: Final = ('{"paused_until": 0.0, "pending": {}}', "{}")


class _LeadingPermit(Permit):
    """A permit of the first of two gates, with that of the second once it is asked for."""

    __slots__ = ("follower",)

    follower: Permit | None

    @property
    def is_followed(self) -> bool:
        """Whether that of the second is still to be settled."""
        return self.follower is not None and not self.follower.done


class SharedLimiter(RateLimiter):
    """A rate limiter whose windows are in *file*. All who share one need the same limits.

    If calls pass *follower* next, who is let in here is decided there in the same transaction.
    """

    __slots__ = ("_account", "_body", "_body_rolls", "_follower", "decide")

    def __init__(
        self,
        name: str,
        config: RateLimiterConfig,
        file: StateFile,
        *,
        clock: Clock,
        on_event: Listener,
        follower: SharedBudget | None = None,
    ) -> None:
        super().__init__(name, config, clock=clock, on_event=on_event)
        self._account = Account(file, self, f"limiter:{name}", _EMPTY)
        # Bound once: every call needs it.
        self.decide = super().admit
        self._body, self._body_rolls = "", -1
        self._follower = follower
        if follower is not None:
            follower.account.leader = self._account

    def admit(self, ask: Ask) -> Permit | Rejected:
        """Count *ask* in every window of the file, or in none and say when it would fit."""
        follower = self._follower
        if follower is None or follower.has_line:
            (answer,) = self._account.admit(ask)
        else:
            answer = self._admit_by_both(ask, follower)
        if isinstance(answer, StoreUnavailable):
            self._rejected_total += 1
            if self._serving:
                # Who is in line already keeps the place while the file can't be had.
                return self._may_wait(answer)
        return answer

    def serve(self) -> None:
        """Give permits to the head of the line; only once a transaction is committed."""
        if self._account.is_busy:
            self._account.must_serve = True
        else:
            super().serve()

    def settled(self, permit: Permit, outcome: Outcome) -> None:
        """Replace the estimate by what was spent; pause if the other side asked for it."""
        super().settled(permit, outcome)
        if self._follower is not None:
            self._follower.withdraw(permit)

    def cancelled(self, permit: Permit) -> None:
        """Give everything back to the bucket it was taken from."""
        self._settle(permit, partial(super().cancelled, permit))
        if self._follower is not None:
            self._follower.withdraw(permit)

    def pause(self, seconds: float) -> None:
        """Admit nothing for *seconds* (at most ``pause_cap``), in no process of this file."""
        before = self._paused_until
        super().pause(seconds)
        if self._paused_until > before:
            # The pause is remembered with all the rest; no change of windows belongs to it.
            self._account.settle(_nothing)

    def stats(self) -> RateLimiterStats:
        """A photograph of what all processes together were admitted."""
        trouble = self._account.look()
        return replace(super().stats(), trouble=trouble)

    # -- what the account asks ----------------------------------------------------------------

    def tell(self) -> Row:
        """The pause, what is pending, and every bucket."""
        rolls, told = 0, []
        for meter in self._meters:
            rolls += meter.rolls_total
            told.append(f'"{meter.weight}": [{meter.since!r}, {meter.pending}]')
        if rolls != self._body_rolls:
            self._body, self._body_rolls = self._tell_buckets(), rolls
        pending = ", ".join(told)
        return f'{{"paused_until": {self._paused_until!r}, "pending": {{{pending}}}}}', self._body

    def recall(self, row: Row) -> None:
        """Go back to what *row* says; a pause stays, for it may only grow."""
        head, body = row
        state = json.loads(head)
        pending = {meter: state["pending"].get(meter.weight, (0.0, 0)) for meter in self._meters}
        if body != self._body or self._body_rolls != self._rolls():
            told = json.loads(body)
            for meter, (since, _) in pending.items():
                meter.recall(since, told.get(meter.weight, {}))
            self._body, self._body_rolls = body, self._rolls()
        for meter, (since, amount) in pending.items():
            meter.resume(since, amount)
        self._paused_until = max(self._paused_until, state["paused_until"])
        self._due_at = _DUE

    def adopt(self, row: Row, _: Row | None) -> None:
        """Go on from *row*."""
        self.recall(row)

    # -- the rest -----------------------------------------------------------------------------

    def _admit_by_both(self, ask: Ask, follower: SharedBudget) -> Permit | Rejected:
        answer, *further = self._account.admit(ask, follower.account)
        if not isinstance(answer, Permit):
            return answer
        permit = _LeadingPermit(self, ask, answer.stamp, answer.generation)
        permit.follower = follower.answer_later(permit, *further)
        return permit

    def _correct(self, permit: Permit, spent: Spent) -> None:
        weights, asked = spent.weights, permit.ask.weights
        for meter in self._meters:
            if weights[meter.place] != asked[meter.place]:
                self._settle(permit, partial(super()._correct, permit, spent))
                return

    def _settle(self, permit: Permit, change: Callable[[], None]) -> None:
        """Make *change*, together with what *permit*'s follower is to change if that comes next."""
        if isinstance(permit, _LeadingPermit) and permit.is_followed:
            # What is owed keeps this permit, which must not keep the other.
            permit.follower = None
            self._account.owe(change)
        else:
            self._account.settle(change)

    def _rolls(self) -> int:
        return sum(meter.rolls_total for meter in self._meters)

    def _tell_buckets(self) -> str:
        told = {meter.weight: meter.tell() for meter in self._meters}
        return json.dumps(told, separators=(",", ":"))


def _nothing() -> None:
    """Change nothing."""
