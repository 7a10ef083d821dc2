"""What has come of the transactions: errors by their kind, and the share that the database failed.

the database's doing ------------> a failure among the attempts
anything else, and it answered --> an attempt, and a success of the database
never heard of it ---------------> nothing
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

from ..resilience import Clock
from .pool import Frequency
from .scope import Scope
from .verdicts import Kind, Verdict

__all__ = ["Tally"]

#: The span of the failure rate (seconds).
_SPAN: Final = 300.0


class Tally:
    """Counts of a manager's transactions; *on_success* hears when the database has done its part.

    What a caller's own function raised is no error here.
    """

    __slots__ = ("_attempts", "_clock", "_errors", "_failures", "_on_success")

    def __init__(self, clock: Clock, on_success: Callable[[float], None]) -> None:
        self._clock = clock
        self._on_success = on_success
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self._errors: Counter[Kind] = Counter()
        self._attempts = Frequency(_SPAN)
        self._failures = Frequency(_SPAN)

    def add(self, scope: Scope, verdict: Verdict | None = None) -> None:
        """Count the transaction of *scope*, whose error *verdict* judges; None: it had none."""
        now = self._clock.monotonic()
        if verdict is not None and verdict.kind is not Kind.CALLER:
            self._errors[verdict.kind] += 1
        if verdict is not None and verdict.kind.blames_database:
            self._attempts.add(now)
            self._failures.add(now)
        elif scope.touched:
            self._attempts.add(now)
            self._on_success(now)

    @property
    def errors(self) -> tuple[tuple[str, int], ...]:
        """Each kind of error and how often it was, the most frequent first."""
        return tuple((kind.value, number) for kind, number in self._errors.most_common())

    def failure_rate(self, now: float) -> float | None:
        """The share of failures in the last five minutes; None without an attempt."""
        attempts = self._attempts.recent(now)
        return self._failures.recent(now) / attempts if attempts else None
