"""The retry budgets of others, in the place of koo's: the same client asks them.

Quota is that of the AWS SDKs (botocore/retries): 500 tokens at first and at most; a retry takes
14, its success brings them back, and the success of a first attempt brings one. Share is
Finagle's (service/RetryBudget.scala): a fifth of the calls of the last 10 s and 100 more, less
the retries of that time.
"""

from __future__ import annotations

from collections import deque

from koo.resilience import RetryBudget
from koo.testing import running_clock

__all__ = ["OTHERS", "OtherBudget"]

_SECONDS = 10.0


class OtherBudget(RetryBudget):
    """A budget that is told of calls, and not only of first attempts that succeed."""

    def begun(self) -> None:
        """A call has begun."""

    def succeeded(self, attempts: int) -> None:
        """A call has succeeded at last."""

    def deposit(self, now: float, number: int = 1) -> None:
        """What the policy tells a budget of its own is no news here."""


class Quota(OtherBudget):
    """So many tokens, whatever the traffic."""

    _most, _price, _reward = 500.0, 14.0, 1.0

    def __init__(self) -> None:
        super().__init__()
        self._tokens = self._most

    def withdraw(self, cost: float) -> bool:
        """Pay for a retry."""
        price = self._price * cost
        pays = price <= self._tokens
        self._tokens -= price if pays else 0.0
        return pays

    def succeeded(self, attempts: int) -> None:
        """The last retry is paid back, or the first attempt rewarded."""
        earned = self._reward if attempts == 1 else self._price
        self._tokens = min(self._most, self._tokens + earned)


class Share(OtherBudget):
    """So many retries for each call, and a few more, within some seconds."""

    _share, _spare = 0.2, 10.0 * _SECONDS

    def __init__(self) -> None:
        super().__init__()
        self._clock = running_clock()
        self._entries: deque[tuple[float, float]] = deque()
        self._balance = self._spare

    def begun(self) -> None:
        """Each call brings its share."""
        self._enter(self._share)

    def withdraw(self, cost: float) -> bool:
        """Pay for a retry."""
        self._forget()
        pays = cost <= self._balance
        if pays:
            self._enter(-cost)
        return pays

    def _enter(self, amount: float) -> None:
        self._forget()
        self._entries.append((self._clock.monotonic(), amount))
        self._balance += amount

    def _forget(self) -> None:
        while self._entries and self._entries[0][0] <= self._clock.monotonic() - _SECONDS:
            self._balance -= self._entries.popleft()[1]


OTHERS: dict[str, type[OtherBudget]] = {"the AWS SDKs' budget": Quota, "Finagle's budget": Share}
