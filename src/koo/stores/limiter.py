"""A rate limiter that a restart does not forget, and that several processes share.

    head: {"paused_until": 0.0, "pending": {"requests": [1773187200.5, 3]}}
    body: {"requests": {"60.0": [1891399680, [0, 2, ...]], "3600.0": ...}}

What is pending since the last bucket ended changes with each call; the buckets, oldest
first, only when one of them ends. All moments are the store's.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import Final

from ..errors import Rejected, StoreUnavailable
from ..resilience import (
    Ask,
    Clock,
    Listener,
    Permit,
    RateLimiter,
    RateLimiterConfig,
    RateLimiterStats,
    Spent,
)
from .account import Account
from .file import Row, StateFile

__all__ = ["SharedLimiter"]

_DUE: Final = float("-inf")
_EMPTY: Final = ('{"paused_until": 0.0, "pending": {}}', "{}")


class SharedLimiter(RateLimiter):
    """A rate limiter whose windows are in *file*. All who share one need the same limits."""

    __slots__ = ("_account", "_body", "_body_rolls", "_decide")

    def __init__(
        self,
        name: str,
        config: RateLimiterConfig,
        file: StateFile,
        *,
        clock: Clock,
        on_event: Listener,
    ) -> None:
        super().__init__(name, config, clock=clock, on_event=on_event)
        self._account = Account(file, self, f"limiter:{name}", _EMPTY)
        # Bound once: every call needs it.
        self._decide = super().admit
        self._body, self._body_rolls = "", -1

    def admit(self, ask: Ask) -> Permit | Rejected:
        """Count *ask* in every window of the file, or in none and say when it would fit."""
        answer = self._account.admit(self._decide, ask)
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

    def cancelled(self, permit: Permit) -> None:
        """Give everything back to the bucket it was taken from."""
        self._account.settle(partial(super().cancelled, permit))

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
        pending = ", ".join(
            f'"{meter.weight}": [{meter.since!r}, {meter.pending}]' for meter in self._meters
        )
        rolls = self._rolls()
        if rolls != self._body_rolls:
            self._body, self._body_rolls = self._tell_buckets(), rolls
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

    def _correct(self, permit: Permit, spent: Spent) -> None:
        if any(spent.weights[one.place] != permit.ask.weights[one.place] for one in self._meters):
            self._account.settle(partial(super()._correct, permit, spent))

    def _rolls(self) -> int:
        return sum(meter.rolls_total for meter in self._meters)

    def _tell_buckets(self) -> str:
        told = {meter.weight: meter.tell() for meter in self._meters}
        return json.dumps(told, separators=(",", ":"))


def _nothing() -> None:
    """Change nothing."""
