"""How long nothing new has been heard of a component, whatever is done to the wall clock.

note(report) --another moment of hearing than before--> heard now, by the monotonic clock
"""

from __future__ import annotations

from typing import TypeAlias

from ..resilience import Report
from .alerts.samples import Now, silence_of

__all__ = ["Hearing"]

#: When the last check was, and the last success: each of them is heard, whatever the wall says.
_Stamp: TypeAlias = tuple[float, float | None]


class Hearing:
    """When something new was last heard of each component; moments are monotonic seconds."""

    def __init__(self) -> None:
        self._heard: dict[str, tuple[_Stamp, float]] = {}

    def note(self, report: Report, now: Now) -> None:
        """Look at *report*: a moment that was not there before is one of just now."""
        heard, known = _stamp(report), self._heard.get(report.component)
        if heard is None or (known is not None and known[0] == heard):
            return
        ago = silence_of(report, now) if known is None else 0.0
        self._heard[report.component] = heard, now.monotonic - ago

    def silence(self, report: Report, now: Now) -> float:
        """The seconds for which nothing was heard; of who was never noted what the wall says."""
        heard, known = _stamp(report), self._heard.get(report.component)
        if known is None:
            return silence_of(report, now)
        stamp, at = known
        return now.monotonic - at if stamp == heard else 0.0


def _stamp(report: Report) -> _Stamp | None:
    check = report.check
    return None if check is None else (check.at, report.value("last_success_at"))
