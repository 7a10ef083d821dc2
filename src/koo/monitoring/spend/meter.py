"""How much was spent since the last look: the difference of two photographs of counters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from ...resilience import Reading, Report
from ..naming import SERVICE_PREFIX, service_name

__all__ = ["Counts", "Meter", "Place", "Spend", "day_of"]

#: Answers, tokens in, tokens out, nano-dollars.
Counts: TypeAlias = tuple[int, int, int, int]
#: Day, service, model.
Place: TypeAlias = tuple[str, str, str]

_NOTHING: Final[Counts] = (0, 0, 0, 0)
_COLUMNS: Final = {
    ("answers_total", None): 0,
    ("tokens_total", "input"): 1,
    ("tokens_total", "output"): 2,
    ("cost_total", None): 3,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """What one model of one service cost on one day (UTC, as ``2026-11-27``)."""

    day: str
    service: str
    model: str
    answers: int
    input_tokens: int
    output_tokens: int
    nanousd: int


def day_of(epoch: float, back: int = 0) -> str:
    """The day (UTC) of an epoch second, or the one so many days *back*."""
    return (datetime.fromtimestamp(epoch, UTC).date() - timedelta(days=back)).isoformat()


class Meter:
    """Looks at counters that only grow, and says by how much they grew since it last did."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], Counts] = {}

    def read(self, reports: Iterable[Report]) -> Iterator[tuple[str, str, Counts]]:
        """Service, model and what came since the last time, where anything did."""
        for report in reports:
            if not report.component.startswith(SERVICE_PREFIX):
                continue
            service = service_name(report.component)
            for model, counts in _by_model(report.readings).items():
                before = self._seen.get((service, model), _NOTHING)
                self._seen[service, model] = counts
                if counts != before:
                    yield service, model, _difference(counts, before)


def _by_model(readings: Iterable[Reading]) -> dict[str, Counts]:
    found: dict[str, list[int]] = {}
    for reading in readings:
        labels = dict(reading.labels)
        column = _COLUMNS.get((reading.name, labels.get("type")))
        if column is not None and (model := labels.get("model")):
            found.setdefault(model, [0, 0, 0, 0])[column] = int(reading.value)
    return {model: (a, b, c, d) for model, (a, b, c, d) in found.items()}


def _difference(now: Counts, before: Counts) -> Counts:
    """What came; if a counter has begun anew, all of it."""
    if any(new < old for new, old in zip(now, before, strict=True)):
        return now
    a, b, c, d = (new - old for new, old in zip(now, before, strict=True))
    return a, b, c, d
