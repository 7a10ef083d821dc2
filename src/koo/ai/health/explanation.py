"""Why a call is let in now, or is not: a report in sentences, one line for each gate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from ...resilience import Reading, Report

__all__ = ["explain"]

_NANO: Final = 10**9


def explain(report: Report) -> str:
    """What a call to the service of *report* meets, gate by gate."""
    return "\n".join([_first(report), *_limits(report), _money(report)])


def _first(report: Report) -> str:
    said = f"{report.component}: {report.state.value}"
    if report.cause:
        said += f"; {report.cause}"
    return f"{said}; next try in {report.next_try:.1f} s" if report.next_try else said


def _limits(report: Report) -> Iterator[str]:
    for reading in report.readings:
        labels = dict(reading.labels)
        match reading.name:
            case "limit.used":
                yield _own(report, reading, labels["window"])
            case "told.remaining":
                yield _vendors(report, reading, labels)
            case "pace.per_minute":
                yield f"  {reading.value:,.1f} calls a minute at most, after what was refused"
            case "calls.in_flight":
                yield f"  {reading.value:,.0f} of {reading.limit or 0:,.0f} calls in flight"


def _own(report: Report, reading: Reading, window: str) -> str:
    weight, _, span = window.rpartition("_")
    used = f"  {reading.value:,.0f} of {reading.limit or 0:,.0f} {weight or 'requests'} this {span}"
    if report.value("limit.remaining", window=window):
        return used
    resets = report.value("limit.reset_after", window=window) or 0.0
    return f"{used}; room in {resets:.1f} s"


def _vendors(report: Report, reading: Reading, labels: Mapping[str, str]) -> str:
    most = "" if reading.limit is None else f" of {reading.limit:,.0f}"
    whose = f"{labels['model']}, key {labels['key']}" if "key" in labels else labels["model"]
    left = f"  {reading.value:,.0f}{most} {labels['window']} left at the vendor, {whose}"
    resets = report.value("told.reset_after", **labels) or 0.0
    return f"{left}; all again in {resets:.1f} s"


def _money(report: Report) -> str:
    spent, reserved, remaining = (
        (report.value(f"budget.{name}") or 0) / _NANO for name in ("spent", "reserved", "remaining")
    )
    return f"  ${spent:.4f} of today's money spent, ${reserved:.4f} reserved, ${remaining:.4f} left"
