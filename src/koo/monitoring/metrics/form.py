"""Families as text: Prometheus 0.0.4, OpenMetrics 1.0, JSON; whichever a reader accepts.

The formats: https://prometheus.io/docs/instrumenting/exposition_formats and
https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from operator import attrgetter
from typing import Final

from .family import Family, Labels, Point, Spread

__all__ = ["JSON", "OPEN_METRICS", "PROMETHEUS", "Form", "choose_form"]

_KNOWN_LABELS: Final = 10_000
_VALUE: Final = attrgetter("value")
_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n"})


@dataclass(frozen=True, slots=True)
class Form:
    """One way to write families, and the media type that says so."""

    media_type: str
    write: Callable[[Iterable[Family]], str]

    @property
    def accepted_as(self) -> str:
        """The media type without its parameters, as an Accept header has it."""
        return self.media_type.partition(";")[0]


def choose_form(accept: str) -> Form:
    """The form that an Accept header likes best; Prometheus text if it does not care."""
    liked = dict(map(_liking, accept.split(",")))
    best = max(_FORMS, key=lambda form: liked.get(form.accepted_as, 0.0))
    return best if liked.get(best.accepted_as, 0.0) > 0 else PROMETHEUS


def _liking(part: str) -> tuple[str, float]:
    name, *terms = (term.strip() for term in part.split(";"))
    given = [term.removeprefix("q=") for term in terms if term.startswith("q=")]
    try:
        return name.lower(), float(given[0]) if given else 1.0
    except ValueError:
        return name.lower(), 0.0


# -- text ---------------------------------------------------------------------------------


def _write_prometheus(families: Iterable[Family]) -> str:
    lines: list[str] = []
    for family in families:
        lines.append(f"# HELP {family.name} {_help(family)}\n# TYPE {family.name} {family.kind}\n")
        lines.extend(_samples(family, family.name))
    return "".join(lines)


def _write_open_metrics(families: Iterable[Family]) -> str:
    lines: list[str] = []
    for family in families:
        name = family.name.removesuffix("_total")
        lines.append(f"# HELP {name} {_help(family)}\n# TYPE {name} {family.kind}\n")
        if family.unit and name.endswith(f"_{family.unit}"):
            lines.append(f"# UNIT {name} {family.unit}\n")
        lines.extend(_samples(family, family.name))
    lines.append("# EOF\n")
    return "".join(lines)


def _help(family: Family) -> str:
    return family.help.translate(_ESCAPES)


def _samples(family: Family, name: str) -> Iterator[str]:
    points = family.points
    lines = "".join([f"{name}{labels.text} {value!r}\n" for value, labels in points])
    if _has_words(lines, points):
        lines = "".join([f"{name}{labels.text} {_number(value)}\n" for value, labels in points])
    yield lines
    for spread in family.spreads:
        count, total = spread.stats.count, _number(spread.total)
        counts = spread.counts(family.bounds)
        yield _histogram(name, spread.labels, family.bounds) % (*counts, count, count, total)


@lru_cache(_KNOWN_LABELS)
def _histogram(name: str, labels: Labels, bounds: tuple[float, ...]) -> str:
    """The lines of a histogram, with holes for its numbers."""
    inner, outer = labels.inner.replace("%", "%%"), labels.text.replace("%", "%%")
    comma = "," if inner else ""
    ends = [*(repr(bound) for bound in bounds), "+Inf"]
    lines = [f'{name}_bucket{{{inner}{comma}le="{end}"}} %d\n' for end in ends]
    return "".join((*lines, f"{name}_count{outer} %d\n", f"{name}_sum{outer} %s\n"))


def _has_words(lines: str, points: tuple[Point, ...]) -> bool:
    """Whether a number in *lines* is written as a word, as are infinity and True."""
    kinds = set(map(type, map(_VALUE, points)))
    # Labels end in a brace, so what ends like this is a number.
    return not kinds <= {int, float} or (float in kinds and ("inf\n" in lines or "nan\n" in lines))


def _number(value: float) -> str:
    text = repr(value if type(value) is int else float(value))
    return text if text[-1] not in "fn" else text.replace("inf", "Inf").replace("nan", "NaN")


# -- JSON ---------------------------------------------------------------------------------

_PERCENTILES: Final = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))


def _write_json(families: Iterable[Family]) -> str:
    return json.dumps({"families": [_family(family) for family in families]})


def _family(family: Family) -> dict[str, object]:
    points: list[object] = [
        {"labels": dict(labels), "value": _finite(value)} for value, labels in family.points
    ]
    points += [_spread(spread) for spread in family.spreads]
    return {
        "name": family.name,
        "kind": family.kind.value,
        "help": family.help,
        "unit": family.unit or None,
        "points": points,
    }


def _spread(spread: Spread) -> dict[str, object]:
    stats = spread.stats
    shares = {name: stats.quantile(share) for name, share in _PERCENTILES}
    scaled = {
        name: None if value is None else value * spread.scale for name, value in shares.items()
    }
    return {
        "labels": dict(spread.labels),
        "count": stats.count,
        "sum": _finite(spread.total),
        **scaled,
    }


def _finite(value: float) -> float | None:
    """*value*; None for what JSON has no number for."""
    return float(value) if isfinite(value) else None


PROMETHEUS: Final = Form("text/plain; version=0.0.4; charset=utf-8", _write_prometheus)
OPEN_METRICS: Final = Form(
    "application/openmetrics-text; version=1.0.0; charset=utf-8", _write_open_metrics
)
JSON: Final = Form("application/json", _write_json)
_FORMS: Final = (PROMETHEUS, OPEN_METRICS, JSON)
