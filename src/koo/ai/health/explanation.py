"""Why a call is let in now, or is not: a report in sentences, one line for each gate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ...resilience import Report

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
        if reading.name == "limit.used":
            ((_, window),) = reading.labels
            used = f"  {reading.value:,.0f} of {reading.limit or 0:,.0f} requests this {window}"
            if report.value("limit.remaining", window=window):
                yield used
            else:
                resets = report.value("limit.reset_after", window=window) or 0.0
                yield f"{used}; room in {resets:.1f} s"


def _money(report: Report) -> str:
    spent, reserved, remaining = (
        (report.value(f"budget.{name}") or 0) / _NANO for name in ("spent", "reserved", "remaining")
    )
    return f"  ${spent:.4f} of today's money spent, ${reserved:.4f} reserved, ${remaining:.4f} left"
