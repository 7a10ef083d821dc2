"""How long nothing new has been heard of a component, whatever is done to the wall clock.

note(report) --another moment of hearing than before--> heard now, by the monotonic clock
"""

from __future__ import annotations

from ..resilience import Report
from .alerts.samples import Now, heard_of, silence_of

__all__ = ["Hearing"]


class Hearing:
    """When something new was last heard of each component; moments are monotonic seconds."""

    def __init__(self) -> None:
        self._heard: dict[str, tuple[float, float]] = {}

    def note(self, report: Report, now: Now) -> None:
        """Look at *report*: a moment that was not there before is one of just now."""
        heard, known = heard_of(report), self._heard.get(report.component)
        if heard is None or (known is not None and known[0] == heard):
            return
        ago = silence_of(report, now) if known is None else 0.0
        self._heard[report.component] = heard, now.monotonic - ago

    def silence(self, report: Report, now: Now) -> float:
        """The seconds for which nothing was heard; of who was never noted what the wall says."""
        heard, known = heard_of(report), self._heard.get(report.component)
        if known is None:
            return silence_of(report, now)
        stamp, at = known
        return now.monotonic - at if stamp == heard else 0.0
