"""What is counted everywhere, gathered when somebody asks.

reports ------+
alerts -------+--collect()--> families, sorted by name, one point for each component and label
event counts -+

Nothing is kept but names and labels, so nothing here can disagree with its source.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Final, TypeAlias, TypeVar

from ...resilience import LISTENER_ERRORS, Clock, Distribution, Health, Reading, Report, State
from ..alerts import Alert
from ..naming import SERVICE_PREFIX, is_configured, service_name
from .counts import EventCounts
from .family import Family, Kind, Labels, Point, Spread
from .names import HIDDEN, Name, lettered, name_of, spread_of

__all__ = ["Registry"]

#: Plans are as many as the application's series; who makes up labels loses only time.
_MOST_PLANS: Final = 20_000
_MOST_COMPONENTS: Final = 1000


P = TypeVar("P")

#: A named tuple's own constructor takes three times as long, and a scrape makes thousands.
_point: Final = tuple.__new__


#: Where one reading goes, with which labels, and with which its limit. Unpacked thousands of times
#: in a scrape, which a named tuple makes slow.
_Plan: TypeAlias = tuple[Name | None, Labels, Labels]
_Key: TypeAlias = tuple[str, str, tuple[tuple[str, str], ...]]
_Points: TypeAlias = defaultdict[str, list[Point]]
_Spreads: TypeAlias = defaultdict[str, list[Spread]]


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
        self._plans: dict[_Key, _Plan] = {}
        self._spread_plans: dict[_Key, tuple[Name, Labels]] = {}
        self._heads: dict[str, Family] = {}
        self._took = 0.0
        self.started_at = clock.time()

    def collect(self) -> tuple[Family, ...]:
        """Every family at this moment, sorted by name. Only looks."""
        began = self._clock.monotonic()
        points: _Points = defaultdict(list)
        spreads: _Spreads = defaultdict(list)
        for report in self._reports():
            if is_configured(report):
                self._sort_in(points, report)
                self._spread_out(spreads, report)
                _sort_in_state(points, report)
        families = [*self._gathered(points, spreads), *self._counts.families(), *self._own()]
        self._took = self._clock.monotonic() - began
        return tuple(sorted(families, key=lambda family: family.name))

    def _sort_in(self, points: _Points, report: Report) -> None:
        plans, component = self._plans, report.component
        for reading in report.readings:
            word, value, limit, about = reading
            plan = plans.get((component, word, about))
            name, labels, limited = plan or self._plan(report, reading)
            if name is None:
                continue
            value = value if name.scale == 1 else value * name.scale
            points[name.name].append(_point(Point, (value, labels)))
            if name.limit and limit is not None:
                points[name.limit].append(Point(name.scaled(limit), limited))

    def _spread_out(self, spreads: _Spreads, report: Report) -> None:
        for item in report.distributions:
            plan = self._spread_plans.get((report.component, item.name, item.labels))
            name, labels = plan or self._plan_spread(report, item)
            spreads[name.name].append(Spread(item.stats, labels, name.scale))

    # -- plans: made once for each series ------------------------------------------------

    def _plan(self, report: Report, reading: Reading) -> _Plan:
        kind, who = report.kind, _who(report)
        if (kind, reading.name) in HIDDEN:
            plan: _Plan = (None, Labels(), Labels())
        else:
            name = name_of(kind, reading.name)
            labels = _labels(*who, *name.labels, *reading.labels)
            plan = (name, labels, _labels(*who, *reading.labels))
            self._heads[name.name] = _head(name, name.kind)
            if name.limit:
                self._heads[name.limit] = _limit_head(name)
        return _keep(self._plans, (report.component, reading.name, reading.labels), plan)

    def _plan_spread(self, report: Report, item: Distribution) -> tuple[Name, Labels]:
        name = spread_of(report.kind, item.name)
        labels = _labels(*_who(report), *item.labels)
        self._heads[name.name] = _head(name, Kind.HISTOGRAM)
        return _keep(self._spread_plans, (report.component, item.name, item.labels), (name, labels))

    # -- families -------------------------------------------------------------------------

    def _gathered(self, points: _Points, spreads: _Spreads) -> Iterator[Family]:
        for name, gathered in points.items():
            head = self._heads.get(name) or _STATES_OF_ALL[name]
            yield _with(head, points=tuple(gathered))
        for name, spread in spreads.items():
            yield _with(self._heads[name], spreads=tuple(spread))

    def _own(self) -> Iterator[Family]:
        alerts = [Point(1, _labels_of(alert)) for alert in self._standing()]
        yield _plain("koo_alerts", "Alerts that fire.", *alerts)
        errors = Point(LISTENER_ERRORS.value)
        yield _plain("koo_listener_errors_total", "What listeners raised.", errors)
        took, since = Point(self._took), Point(self.started_at)
        yield _plain("koo_collect_seconds", "How long the last collection took.", took)
        yield _plain("koo_start_timestamp_seconds", "When counting began, epoch.", since)


def _keep(plans: dict[_Key, P], key: _Key, plan: P) -> P:
    if len(plans) >= _MOST_PLANS:
        plans.clear()
    plans[key] = plan
    return plan


def _labels(*given: tuple[str, str]) -> Labels:
    """*given* with names that Prometheus takes, each name once: of two the first."""
    named: dict[str, str] = {}
    for name, value in given:
        named.setdefault(lettered(name), value)
    return Labels(named.items())


def _who(report: Report) -> tuple[tuple[str, str], ...]:
    if report.component.startswith(SERVICE_PREFIX):
        return (("service", service_name(report.component)),)
    return (("component", report.component),)


def _head(name: Name, kind: Kind) -> Family:
    return Family(name=name.name, kind=kind, help=name.help, unit=name.unit, bounds=name.bounds)


def _limit_head(name: Name) -> Family:
    text = f"The limit of {name.name}."
    return Family(name=name.limit, kind=Kind.GAUGE, help=text, unit=name.unit)


def _with(
    head: Family, *, points: tuple[Point, ...] = (), spreads: tuple[Spread, ...] = ()
) -> Family:
    return Family(
        name=head.name,
        kind=head.kind,
        help=head.help,
        unit=head.unit,
        bounds=head.bounds,
        points=points,
        spreads=spreads,
    )


def _plain(name: str, text: str, *points: Point) -> Family:
    return Family(
        name=name,
        kind=Kind.COUNTER if name.endswith("_total") else Kind.GAUGE,
        help=text,
        unit="seconds" if name.endswith("_seconds") else "",
        points=points,
    )


def _labels_of(alert: Alert) -> Labels:
    name = alert.id.removeprefix(f"{alert.component}:")
    who = ("alert", name), ("component", alert.component), ("severity", alert.severity.value)
    return Labels(who)


# -- what is true of every component ------------------------------------------------------

_STATES_OF_ALL: Final = {
    name: _plain(name, text)
    for name, text in {
        "koo_health": "1 for the state that a component is in, else 0.",
        "koo_circuit": "1 for the state that a circuit is in, else 0.",
        "koo_circuit_since_timestamp_seconds": "Its last move; 0 before any.",
        "koo_circuit_failures": "Failures in the window.",
        "koo_circuit_rejected_total": "Calls that it refused.",
        "koo_check_ok": "1 if the last check was answered, else 0.",
        "koo_check_timestamp_seconds": "When the last check was.",
    }.items()
}


@lru_cache(_MOST_COMPONENTS)
def _whose(component: str) -> Labels:
    return Labels((("component", component),))


@lru_cache(_MOST_COMPONENTS * len(Health))
def _which(component: str, states: type[Health | State], now: Health | State) -> tuple[Point, ...]:
    """A point for each of *states*: 1 for the one that is *now*, 0 for the others."""
    who = "component", component
    return tuple(Point(int(it is now), Labels((who, ("state", it.value)))) for it in states)


def _sort_in_state(points: _Points, report: Report) -> None:
    component, who = report.component, _whose(report.component)
    points["koo_health"] += _which(component, Health, report.state)
    if (breaker := report.breaker) is not None:
        points["koo_circuit"] += _which(component, State, breaker.state)
        points["koo_circuit_since_timestamp_seconds"].append(Point(breaker.since or 0, who))
        points["koo_circuit_failures"].append(Point(breaker.failures, who))
        points["koo_circuit_rejected_total"].append(Point(breaker.rejected_total, who))
    if (check := report.check) is not None:
        points["koo_check_ok"].append(Point(int(check.ok), who))
        points["koo_check_timestamp_seconds"].append(Point(check.at, who))
