"""What is counted everywhere, gathered when somebody asks.

reports ------+
alerts -------+--collect()--> families, sorted by name, one point for each component and label
event counts -+

Nothing is kept here but how long gathering took, so nothing can disagree with its source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from ...resilience import LISTENER_ERRORS, Clock, Health, Report, State
from ..alerts import Alert
from ..naming import SERVICE_PREFIX, is_configured, service_name
from .counts import EventCounts
from .family import Family, Kind, Labels, Point, Spread
from .names import HIDDEN, Name, name_of, spread_of

__all__ = ["Registry"]

_HEALTHS: Final = tuple((health, (("state", health.value),)) for health in Health)
_STATES: Final = tuple((state, (("state", state.value),)) for state in State)


@dataclass(slots=True)
class _Drawer:
    """The points of one family while they are gathered."""

    name: str
    kind: Kind
    help: str
    source: str
    unit: str = ""
    bounds: tuple[float, ...] = ()
    points: list[Point] = field(default_factory=list)
    spreads: list[Spread] = field(default_factory=list)

    def family(self) -> Family:
        return Family(
            name=self.name,
            kind=self.kind,
            help=self.help,
            source=self.source,
            unit=self.unit,
            points=tuple(self.points),
            spreads=tuple(self.spreads),
            bounds=self.bounds,
        )


class Registry:
    """All metrics of one process, from *reports*, *standing* alerts and *counts*.

    A reading's name becomes the name of a family (see ``names``); its component's name
    becomes a label, so labels are as many as the application configures.
    """

    def __init__(
        self,
        reports: Callable[[], Iterable[Report]],
        standing: Callable[[], Iterable[Alert]],
        counts: EventCounts,
        *,
        clock: Clock,
    ) -> None:
        self._reports = reports
        self._standing = standing
        self._counts = counts
        self._clock = clock
        self._took = 0.0
        self.started_at = clock.time()

    def collect(self) -> tuple[Family, ...]:
        """Every family at this moment, sorted by name. Only looks."""
        began = self._clock.monotonic()
        drawers: dict[str, _Drawer] = {}
        for report in self._reports():
            if is_configured(report):
                _sort_in(drawers, report)
        families = [drawer.family() for drawer in drawers.values()]
        families += [*self._counts.families(), *self._own()]
        self._took = self._clock.monotonic() - began
        return tuple(sorted(families, key=lambda family: family.name))

    def _own(self) -> Iterator[Family]:
        alerts = [Point(1, _labels_of(alert)) for alert in self._standing()]
        yield _family("koo_alerts", Kind.GAUGE, "Alerts that fire.", *alerts)
        errors = Point(LISTENER_ERRORS.value)
        yield _family("koo_listener_errors_total", Kind.COUNTER, "What listeners raised.", errors)
        yield _seconds("koo_collect_seconds", "How long the last collection took.", self._took)
        yield _seconds(
            "koo_start_timestamp_seconds", "When counting began, epoch.", self.started_at
        )


def _family(name: str, kind: Kind, text: str, *points: Point) -> Family:
    source = name.removeprefix("koo_")
    return Family(name=name, kind=kind, help=text, source=source, points=points)


def _seconds(name: str, text: str, value: float) -> Family:
    point = (Point(value),)
    source = name.removeprefix("koo_")
    return Family(
        name=name, kind=Kind.GAUGE, help=text, source=source, unit="seconds", points=point
    )


def _labels_of(alert: Alert) -> Labels:
    name = alert.id.removeprefix(f"{alert.component}:")
    return ("alert", name), ("component", alert.component), ("severity", alert.severity.value)


# -- one report ---------------------------------------------------------------------------


def _sort_in(drawers: dict[str, _Drawer], report: Report) -> None:
    _sort_in_state(drawers, report)
    kind, who = report.kind, _who(report)
    for reading in report.readings:
        if (kind, reading.name) in HIDDEN:
            continue
        name = name_of(kind, reading.name)
        labels = who + name.labels + reading.labels
        drawer = _drawer(drawers, name, name.kind, f"{kind}.{reading.name}")
        drawer.points.append(Point(name.scaled(reading.value), labels))
        if name.limit and reading.limit is not None:
            limit = _limit(drawers, name, f"{kind}.{reading.name}.limit")
            limit.points.append(Point(name.scaled(reading.limit), who + reading.labels))
    for distribution in report.distributions:
        name = spread_of(kind, distribution.name)
        drawer = _drawer(drawers, name, Kind.HISTOGRAM, f"{kind}.{distribution.name}")
        labels = who + distribution.labels
        drawer.spreads.append(Spread(distribution.stats, labels, name.scale))


def _who(report: Report) -> Labels:
    if report.component.startswith(SERVICE_PREFIX):
        return (("service", service_name(report.component)),)
    return (("component", report.component),)


def _drawer(drawers: dict[str, _Drawer], name: Name, kind: Kind, source: str) -> _Drawer:
    drawer = drawers.get(name.name)
    if drawer is None:
        drawer = _Drawer(name.name, kind, name.help, source, name.unit, name.bounds)
        drawers[name.name] = drawer
    return drawer


def _limit(drawers: dict[str, _Drawer], name: Name, source: str) -> _Drawer:
    drawer = drawers.get(name.limit)
    if drawer is None:
        text = f"The limit of {name.name}."
        drawer = drawers[name.limit] = _Drawer(name.limit, Kind.GAUGE, text, source, name.unit)
    return drawer


def _sort_in_state(drawers: dict[str, _Drawer], report: Report) -> None:
    who: Labels = (("component", report.component),)
    health = _plain(drawers, "koo_health", "1 for the state that a component is in, else 0.")
    health.points += [Point(int(report.state is it), who + label) for it, label in _HEALTHS]
    if (breaker := report.breaker) is not None:
        circuit = _plain(drawers, "koo_circuit", "1 for the state that a circuit is in, else 0.")
        circuit.points += [
            Point(int(breaker.state is state), who + label) for state, label in _STATES
        ]
        since = _plain(drawers, "koo_circuit_since_timestamp_seconds", "Its last move.")
        since.points.append(Point(breaker.since or 0.0, who))
        failures = _plain(drawers, "koo_circuit_failures", "Failures in the window.")
        failures.points.append(Point(breaker.failures, who))
        rejected = _plain(drawers, "koo_circuit_rejected_total", "Calls that it refused.")
        rejected.points.append(Point(breaker.rejected_total, who))
    if (check := report.check) is not None:
        answered = _plain(drawers, "koo_check_ok", "1 if the last check was answered, else 0.")
        answered.points.append(Point(int(check.ok), who))
        at = _plain(drawers, "koo_check_timestamp_seconds", "When the last check was.")
        at.points.append(Point(check.at, who))


def _plain(drawers: dict[str, _Drawer], name: str, text: str) -> _Drawer:
    drawer = drawers.get(name)
    if drawer is None:
        kind = Kind.COUNTER if name.endswith("_total") else Kind.GAUGE
        unit = "seconds" if name.endswith("_seconds") else ""
        source = name.removeprefix("koo_")
        drawer = drawers[name] = _Drawer(name, kind, text, source, unit)
    return drawer
