"""What a rule sees of one component at one moment: numbers with names, and words for some.

Report --sample_of()--> Sample
readings      pool.waiting, requests_total; of one with labels the parts and the sum:
limit.used.minute, limit.used
their limits  budget.spent.limit, and used of it: budget.spent.share (the fullest part's)
facts         circuit.open, unavailable, limit.reached, ...: 1 or 0
derived       pool.pressure, check.age, check.overdue (in intervals without a word)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from ...resilience import Clock, Health, Reading, Report, State
from ..naming import is_isolated, is_readable, is_unanswered

__all__ = ["Now", "Sample", "sample_of", "silence_of"]

#: What a window of tokens is called before its span.
_TOKENS: Final = "tokens_"
#: A window is worth naming as a cause from here on.
_NOTEWORTHY: Final = 0.7


@dataclass(frozen=True, slots=True)
class Now:
    """One moment on both clocks: *monotonic* decides how long, *wall* (epoch) is shown."""

    monotonic: float
    wall: float

    @classmethod
    def of(cls, clock: Clock) -> Now:
        """The present."""
        return cls(clock.monotonic(), clock.time())


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The *numbers* of a component; *words* says what some of them mean, None for no comment.

    *since* is the epoch second at which its circuit last moved, if that is known. Not *known*:
    its report can't be had.
    """

    component: str
    kind: str
    numbers: Mapping[str, float]
    words: Mapping[str, str | None] = field(default_factory=lambda: MappingProxyType({}))
    since: float | None = None
    known: bool = True

    def says(self, number: str) -> str | None:
        """What *number* means in words, or at least how large it is."""
        if number in self.words:
            return self.words[number]
        value = self.numbers.get(number)
        return None if value is None else f"{number} is {value:g}"


def sample_of(report: Report, now: Now, silence: float | None = None) -> Sample:
    """*report* as the rules see it; nothing new has been heard of it for *silence* seconds.

    Without *silence* it is what the wall clock says.
    """
    if silence is None:
        silence = silence_of(report, now)
    facts = _facts(report)
    numbers = _readings(report.readings) | facts | _derived(report, now, silence)
    words = dict.fromkeys(facts, report.cause) | dict(_words(report, silence))
    return Sample(
        component=report.component,
        kind=report.kind,
        numbers=MappingProxyType(numbers),
        words=MappingProxyType(words),
        since=report.since,
        known=is_readable(report),
    )


def _readings(readings: Iterable[Reading]) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for reading in readings:
        for name in {reading.name, _full_name(reading)}:
            numbers[name] = numbers.get(name, 0.0) + reading.value
            if reading.limit is not None:
                share = f"{name}.share"
                numbers[f"{name}.limit"] = numbers.get(f"{name}.limit", 0.0) + reading.limit
                numbers[share] = max(numbers.get(share, 0.0), _share(reading))
    return numbers


def _full_name(reading: Reading) -> str:
    return ".".join((reading.name, *(value for _, value in sorted(reading.labels))))


def _share(reading: Reading) -> float:
    return reading.value / reading.limit if reading.limit else 0.0


def _facts(report: Report) -> dict[str, float]:
    state, isolated, unanswered = report.state, is_isolated(report), is_unanswered(report)
    spent = _is_spent(report)
    facts = {
        "circuit.open": state is Health.CIRCUIT_OPEN and not isolated,
        "circuit.half_open": state is Health.DEGRADED,
        "circuit.shut": report.breaker is not None and report.breaker.state is not State.CLOSED,
        "out_of_service": state is Health.MAINTENANCE or isolated,
        "unavailable": state is Health.UNHEALTHY and unanswered,
        "unhealthy": state is Health.UNHEALTHY and not unanswered,
        "limit.reached": state is Health.RATE_LIMITED and not spent,
        "budget.gone": spent,
    }
    return {name: float(holds) for name, holds in facts.items()}


def _is_spent(report: Report) -> bool:
    """The service refuses, and it is the money: all of it is spent or reserved."""
    spent, left = report.reading("budget.spent"), report.value("budget.remaining")
    if spent is None or report.state is not Health.RATE_LIMITED:
        return False
    return (spent.limit or 0) <= spent.value if left is None else left <= 0


def silence_of(report: Report, now: Now) -> float:
    """The seconds since the last check or success, as far as the wall clock can be believed.

    0 where no checks are made.
    """
    if report.check is None:
        return 0.0
    heard = max(report.check.at, report.value("last_success_at") or 0.0)
    return max(0.0, now.wall - heard)


def _derived(report: Report, now: Now, silence: float) -> dict[str, float]:
    derived = {}
    active = report.value("pool.active")
    if active is not None:
        derived["pool.pressure"] = _pressure(report, active)
    if report.check is not None:
        derived["check.age"] = max(0.0, now.wall - report.check.at)
        if report.check.interval:
            derived["check.overdue"] = silence / report.check.interval
    return derived


def _pressure(report: Report, active: float) -> float:
    """The share of the connections in use; 1 and more as soon as somebody waits for one."""
    waiting = report.value("pool.waiting") or 0
    pressure = (active + waiting) / (_most(report) or 1)
    return max(1.0, pressure) if waiting else pressure


def _most(report: Report) -> float:
    return (report.value("pool.size") or 0) + (report.value("pool.max_overflow") or 0)


# -- in words ---------------------------------------------------------------------------------


def _words(report: Report, silence: float) -> Iterable[tuple[str, str | None]]:
    if report.check is not None:
        yield "unavailable", report.check.error or report.cause
        yield "check.overdue", f"nothing was heard of it for {silence:.0f} s"
    if (active := report.value("pool.active")) is not None:
        waiting = int(report.value("pool.waiting") or 0)
        words = f"{active:.0f} of {_most(report):.0f} connections in use, {waiting} waiting"
        yield "pool.pressure", words
        yield "pool.waiting", words
    if (spent := report.reading("budget.spent")) is not None:
        words = f"${spent.value / 1e9:.2f} of ${(spent.limit or 0) / 1e9:.2f} spent today"
        yield "budget.gone", words
        yield "budget.spent.share", words
    if (held := report.value("pool.oldest_checkout")) is not None:
        yield "pool.oldest_checkout", f"the oldest has been held for {held:.0f} s"
    if report.value("failing_for") is not None:
        yield "failing_for", report.cause
    if windows := [reading for reading in report.readings if reading.name == "limit.used"]:
        yield "limit.used.share", _windows(windows)


def _windows(windows: list[Reading]) -> str:
    near = [reading for reading in windows if _share(reading) >= _NOTEWORTHY]
    return ", ".join(map(_window, near or [max(windows, key=_share)]))


def _window(reading: Reading) -> str:
    window = dict(reading.labels).get("window", "window")
    weight = "tokens" if window.startswith(_TOKENS) else "requests"
    span = window.removeprefix(_TOKENS)
    return f"{reading.value:.0f} of {reading.limit or 0:.0f} {weight} per {span}"
