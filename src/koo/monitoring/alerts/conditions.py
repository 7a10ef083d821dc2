"""What can be said of a component's numbers, as data: each condition begins, and lasts.

    begins ----true----> holds ----lasts is false----> over
             Above(0.8, clear=0.7) begins at 0.8 and lasts down to 0.7: no flapping at the edge

A number that a component does not have fulfils nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from .samples import Now, Sample
from .series import Counted, Past, Series, Trace

__all__ = ["Above", "Below", "Burn", "Condition", "Forecast", "Increase", "Look", "Rises"]

_UNITS: Final = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


@dataclass(frozen=True, slots=True)
class Look:
    """A sample with what is known of its past, at one moment."""

    sample: Sample
    past: Past
    now: Now

    def value(self, number: str) -> float | None:
        """The number called so, None if the component has none."""
        return self.sample.numbers.get(number)

    def series(self, trace: Trace) -> Series | None:
        """How a number went, None if it was never seen."""
        return self.past.get((self.sample.component, trace))

    def grown(self, trace: Trace) -> float:
        """By how much a number grew, 0 if it was never seen."""
        series = self.series(trace)
        return series.grown(self.now.monotonic) if series else 0.0


class Condition(Protocol):
    """A question about a component with its answer in words."""

    @property
    def traces(self) -> tuple[Trace, ...]:
        """What must be followed to answer."""
        ...

    def begins(self, look: Look) -> bool:
        """Whether it holds, after it did not."""
        ...

    def lasts(self, look: Look) -> bool:
        """Whether it still holds, after it did."""
        ...

    def cause(self, look: Look) -> str | None:
        """Why it holds, one sentence."""
        ...


@dataclass(frozen=True, slots=True)
class Above:
    """*number* has reached *limit*, and has not fallen below *clear* since."""

    number: str
    limit: float = 1.0
    clear: float | None = None

    traces = ()

    def __post_init__(self) -> None:
        if self.clear is not None and self.clear > self.limit:
            raise ValueError(f"{self.number}: clear must not be above the limit it clears")

    def begins(self, look: Look) -> bool:
        """At the limit."""
        value = look.value(self.number)
        return value is not None and value >= self.limit

    def lasts(self, look: Look) -> bool:
        """Down to the lower limit."""
        value = look.value(self.number)
        return value is not None and value >= (self.limit if self.clear is None else self.clear)

    def cause(self, look: Look) -> str | None:
        """What the number means."""
        return look.sample.says(self.number)


@dataclass(frozen=True, slots=True)
class Below:
    """*number* is *limit* or less, and has not risen above *clear* since."""

    number: str
    limit: float
    clear: float | None = None

    traces = ()

    def __post_init__(self) -> None:
        if self.clear is not None and self.clear < self.limit:
            raise ValueError(f"{self.number}: clear must not be below the limit it clears")

    def begins(self, look: Look) -> bool:
        """At the limit."""
        value = look.value(self.number)
        return value is not None and value <= self.limit

    def lasts(self, look: Look) -> bool:
        """Up to the higher limit."""
        value = look.value(self.number)
        return value is not None and value <= (self.limit if self.clear is None else self.clear)

    def cause(self, look: Look) -> str | None:
        """What the number means."""
        return look.sample.says(self.number)


@dataclass(frozen=True, slots=True)
class Increase:
    """The counter *number* grew by *by* or more within the last *within* seconds."""

    number: str
    by: float
    within: float

    def __post_init__(self) -> None:
        _check_positive(self.number, by=self.by, within=self.within)

    @property
    def traces(self) -> tuple[Trace, ...]:
        """The counter."""
        return (Trace(self.number, self.within),)

    def begins(self, look: Look) -> bool:
        """Grown enough."""
        return look.grown(self.traces[0]) >= self.by

    lasts = begins

    def cause(self, look: Look) -> str | None:
        """By how much, in what time."""
        grown = look.grown(self.traces[0])
        return f"{self.number} grew by {grown:g} within {_duration(self.within)}"


@dataclass(frozen=True, slots=True)
class Rises:
    """*number* rose from zero *times* or more within the last *within* seconds."""

    number: str
    times: float
    within: float

    def __post_init__(self) -> None:
        _check_positive(self.number, times=self.times, within=self.within)

    @property
    def traces(self) -> tuple[Trace, ...]:
        """The number's rises."""
        return (Trace(self.number, self.within, Counted.RISES),)

    def begins(self, look: Look) -> bool:
        """Risen often enough."""
        return look.grown(self.traces[0]) >= self.times

    lasts = begins

    def cause(self, look: Look) -> str | None:
        """How often, in what time."""
        return f"{look.grown(self.traces[0]):g} times within {_duration(self.within)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Burn:
    """Of all calls so many fail that the error budget burns *factor* times too fast.

    The budget is what *objective* leaves: 0.99 allows one call in a hundred to
    fail. Both the *long* and the *short* window (seconds) must burn: the long one
    says that it matters, the short one that it still goes on. With fewer than
    *at_least* calls in the long window, or before calls have been followed for the
    short one, nothing is said; until the long one is full it is as long as it is known.
    """

    factor: float
    long: float
    short: float
    objective: float = 0.99
    at_least: float = 20
    bad: str = "failures_total"
    total: str = "requests_total"

    def __post_init__(self) -> None:
        _check_positive("burn", factor=self.factor, short=self.short, at_least=self.at_least)
        if not 0 < self.objective < 1:
            raise ValueError("burn: objective must be between 0 and 1, like 0.99")
        if self.rate > 1:
            raise ValueError("burn: factor is out of reach; not even failing always burns so fast")
        if self.long <= self.short:
            raise ValueError("burn: long must be longer than short")

    @property
    def rate(self) -> float:
        """The share of failed calls that burns so fast."""
        return round(self.factor * (1 - self.objective), 9)

    @property
    def traces(self) -> tuple[Trace, ...]:
        """Failed and all calls, in both windows."""
        names, spans = (self.bad, self.total), (self.long, self.short)
        return tuple(Trace(name, span) for span in spans for name in names)

    def begins(self, look: Look) -> bool:
        """Both windows burn."""
        bad, total, bad_lately, total_lately = map(look.grown, self.traces)
        return (
            self._known(look) >= self.short
            and total >= self.at_least
            and bad >= self.rate * total
            and bad_lately >= self.rate * total_lately > 0
        )

    lasts = begins

    def cause(self, look: Look) -> str | None:
        """How many of how many, in what time."""
        bad, total, *_ = map(look.grown, self.traces)
        times = bad / total / (1 - self.objective) if total else 0
        return (
            f"{bad:.0f} of {total:.0f} calls failed within {_duration(self._known(look))}, "
            f"{times:.1f} times what an objective of {self.objective:.4g} allows"
        )

    def _known(self, look: Look) -> float:
        """For how much of the long window calls have been followed, in seconds."""
        series = look.series(self.traces[1])
        return series.known(look.now.monotonic) if series else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """At the pace of the last *within* seconds, *number* passes its limit before it is reset.

    The number must be one with a limit; *resets_at* names the number that says
    when (epoch seconds) it begins anew. Less than a sixth of the window known:
    nothing is said.
    """

    number: str = "budget.spent"
    resets_at: str = "budget.resets_at"
    within: float = 3600.0

    def __post_init__(self) -> None:
        _check_positive(self.number, within=self.within)

    @property
    def traces(self) -> tuple[Trace, ...]:
        """What is spent."""
        return (Trace(self.number, self.within),)

    def begins(self, look: Look) -> bool:
        """It ends too early."""
        left, resets_at = self._seconds_left(look), look.value(self.resets_at)
        return left is not None and resets_at is not None and look.now.wall + left < resets_at

    lasts = begins

    def cause(self, look: Look) -> str | None:
        """How long it still lasts."""
        left = self._seconds_left(look) or 0.0
        return f"at the pace of the last {_duration(self.within)} it lasts {_duration(left)} more"

    def _seconds_left(self, look: Look) -> float | None:
        value, limit = look.value(self.number), look.value(f"{self.number}.limit")
        series = look.series(self.traces[0])
        if value is None or limit is None or series is None:
            return None
        known, grown = series.known(look.now.monotonic), series.grown(look.now.monotonic)
        if known < self.within / 6 or grown <= 0:
            return None
        return max(0.0, limit - value) / grown * known


def _check_positive(name: str, **numbers: float) -> None:
    for field, number in numbers.items():
        if not 0 < number < float("inf"):
            raise ValueError(f"{name}: {field} must be above 0")


def _duration(seconds: float) -> str:
    """Seconds in the largest unit that says it in a few digits."""
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"
