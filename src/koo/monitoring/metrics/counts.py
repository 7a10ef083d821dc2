"""What happened, counted: refusals, retries, transitions, checks, actions.

A listener. Everything else is counted by those to whom it happens; these have no other place.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ...resilience import (
    AuditLineLost,
    CallRejected,
    Event,
    GaveUp,
    HealthChecked,
    OperatorAction,
    RetryScheduled,
    StateChanged,
)
from .family import Family, Kind, Labels, Point

__all__ = ["EventCounts"]

#: More sets of labels than this count together, however many components there are.
_MOST: Final = 1000
_OTHER: Final = "other"

_HELP: Final = {
    "refusals_total": "Calls that a gate refused, by its reason.",
    "retries_total": "Retries that were scheduled after a failure.",
    "give_ups_total": "Calls whose last attempt failed.",
    "circuit_transitions_total": "Moves of a circuit breaker.",
    "checks_total": "Active health checks.",
    "operator_actions_total": "What people did.",
    "audit_lines_lost_total": "What people did and the audit does not have.",
}


class EventCounts:
    """How often each thing happened to each component since the process began."""

    def __init__(self, *, most: int = _MOST) -> None:
        self._most = most
        self._counts: dict[tuple[str, tuple[tuple[str, str], ...]], int] = {}

    def record(self, event: Event) -> None:
        """Count *event*; a listener."""
        match event:
            case CallRejected(component, _, reason):
                self._add("refusals_total", component, ("reason", reason.replace(" ", "_")))
            case RetryScheduled(component):
                self._add("retries_total", component)
            case GaveUp(component):
                self._add("give_ups_total", component)
            case StateChanged(component, before, after):
                states = ("from", str(before)), ("to", str(after))
                self._add("circuit_transitions_total", component, *states)
            case HealthChecked(component, ok):
                self._add("checks_total", component, ("outcome", "answered" if ok else "failed"))
            case OperatorAction(component, action):
                self._add("operator_actions_total", component, ("action", action))
            case AuditLineLost(component):
                self._add("audit_lines_lost_total", component)

    def families(self) -> Iterator[Family]:
        """A family for each kind of event, those that never happened included."""
        counts = self._counts.copy()  # another thread may count meanwhile
        for name, text in _HELP.items():
            points = [
                Point(count, Labels(labels)) for (of, labels), count in counts.items() if of == name
            ]
            yield Family(name=f"koo_{name}", kind=Kind.COUNTER, help=text, points=tuple(points))

    def _add(self, name: str, component: str, *labels: tuple[str, str]) -> None:
        key = name, (("component", component), *labels)
        if key not in self._counts and len(self._counts) >= self._most:
            key = name, (("component", _OTHER), *((label, _OTHER) for label, _ in labels))
        self._counts[key] = self._counts.get(key, 0) + 1
