"""What a service remembers of its calls: counts, the success rate, the last error, the cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from ...errors import (
    BudgetExhausted,
    CircuitOpen,
    ExternalServiceError,
    RateLimited,
    StoreUnavailable,
)
from ...resilience import Clock, Distribution, Histogram, LastError, Reading, RollingCount
from ..provider import Usage
from .bills import Bills

__all__ = ["Tally"]

#: The span of the success rate, in seconds, and in how many steps it moves on.
_SPAN: Final = 300.0
_STEPS: Final = 60

_REFUSALS: Final[Mapping[type[Exception], str]] = MappingProxyType(
    {
        CircuitOpen: "circuit_open",
        RateLimited: "rate_limited",
        BudgetExhausted: "budget_exhausted",
        StoreUnavailable: "store_unavailable",
    }
)


class Tally:
    """Counts of calls as their callers see them; a retry is not a call."""

    __slots__ = (
        "_clock",
        "_cost_nanousd",
        "_errors",
        "_failed",
        "_failures_total",
        "_first_tokens",
        "_last_cost",
        "_priced",
        "_requests_total",
        "_succeeded",
        "_successes_total",
        "bills",
        "last_error",
        "last_success_at",
    )

    def __init__(self, clock: Clock, model: str) -> None:
        self._clock = clock
        self.bills = Bills(model)
        self._requests_total = self._successes_total = self._failures_total = 0
        self._succeeded, self._failed = RollingCount(_SPAN, _STEPS), RollingCount(_SPAN, _STEPS)
        self._errors: Counter[str] = Counter()
        self._first_tokens = Histogram()
        self._cost_nanousd = self._priced = 0
        self._last_cost: int | None = None
        self.last_error: LastError | None = None
        self.last_success_at: float | None = None

    def began(self) -> None:
        """A call has come."""
        self._requests_total += 1

    def answer_began(self, seconds: float) -> None:
        """The first text of a streamed answer came so long after it was asked for."""
        self._first_tokens.record(seconds)

    def succeeded(self) -> None:
        """A call has its answer."""
        self._successes_total += 1
        self._succeeded.add(self._clock.monotonic())
        self.last_success_at = self._clock.time()

    def recalled(self) -> None:
        """A call has an answer that came before; that says nothing of how the service is."""
        self._successes_total += 1

    def failed(self, error: ExternalServiceError, cause: Exception) -> None:
        """A call has its error; of a refusal by one of our gates *cause* says which."""
        kind = _REFUSALS.get(type(cause), error.kind)
        self._failures_total += 1
        self._failed.add(self._clock.monotonic())
        self._errors[kind] += 1
        self.last_error = LastError(kind, self._clock.time())

    def billed(self, model: str, usage: Usage | None) -> None:
        """An answer of *model* cost what is in *usage*, or nobody knows what."""
        self.bills.add(model, usage)
        if usage is None:
            return
        self._last_cost = nanousd = usage.nanousd or 0
        self._cost_nanousd += nanousd
        self._priced += 1

    def forget_errors(self) -> None:
        """Begin the counts of errors anew; calls and money stay counted."""
        self._errors.clear()
        self.last_error = None

    def readings(self) -> Iterator[Reading]:
        """A photograph, as the readings of a report."""
        yield Reading("requests_total", self._requests_total)
        yield Reading("successes_total", self._successes_total)
        yield Reading("failures_total", self._failures_total)
        now = self._clock.monotonic()
        succeeded = self._succeeded.total(now)
        if ended := succeeded + self._failed.total(now):
            yield Reading("success_rate", succeeded / ended)
        for kind, count in sorted(self._errors.items()):
            yield Reading("errors_total", count, labels=(("kind", kind),))
        if self.last_success_at is not None:
            yield Reading("last_success_at", self.last_success_at)
        if self._last_cost is not None:
            yield Reading("cost.last", self._last_cost)
            yield Reading("cost.mean", self._cost_nanousd / self._priced)
        yield from self.bills.readings()

    def distributions(self) -> Iterator[Distribution]:
        """How long streamed answers took to begin, if there were any, and what answers took."""
        if (first_tokens := self._first_tokens.stats()).count:
            yield Distribution("first_token_time", first_tokens)
        yield from self.bills.distributions()
