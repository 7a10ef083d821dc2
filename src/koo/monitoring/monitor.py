"""What looks at every component, remembers the alerts, and never touches anything.

    components --reports()--> samples --judge(rules, memory, notices)--> alerts --> views

Looking is free of effects on what is looked at. The alerts' memory moves only in
``observe``, which ``watch`` calls every second: a page that is opened twice sees
the same as a page that is opened once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Final

from ..resilience import LISTENER_ERRORS, SYSTEM_CLOCK, Clock, Component, Health, Report
from .alerts import RULES, Alert, AlertEvent, Judgement, Memory, Now, Rule, judge, sample_of
from .alerts.words import watchdog_of
from .hearing import Hearing
from .history import History, Toll
from .journal import Journal
from .metrics import EventCounts, Family, Registry
from .naming import DATABASE, SERVICE_PREFIX, is_configured, kind_of
from .notify import Mutes
from .redaction import Redact, redact, redacted
from .views import (
    AlertList,
    Dashboard,
    DatabaseHealth,
    DetailedStatus,
    HealthDocument,
    Past,
    PoolMetrics,
    ServiceHealth,
    Standing,
    SystemHealth,
    alert_list,
    dashboard,
    database_health,
    detailed_status,
    health_document,
    pool_metrics,
    service_health,
    service_healths,
    system_health,
)

__all__ = ["Configuration", "Monitor"]

Configuration = Callable[[], Mapping[str, object]]

_SHOWN_EVENTS: Final = 50
_ALIVE: Final = 10.0

# A look judges thousands of numbers: int | float in place of a tuple would be made for each.
_NUMBERS: Final = (int, float)
_VALUE: Final = attrgetter("value")


def _ignore(_: AlertEvent) -> None:
    """Nobody listens."""


def _unreadable(component: str, error: Exception) -> Report:
    cause = f"its report can't be had; {type(error).__name__}"
    kind = kind_of(component)
    details = {"readable": False}
    return Report(
        component=component, kind=kind, state=Health.UNHEALTHY, cause=cause, details=details
    )


def _sound(report: object) -> Report:
    """*report*, if it is one all through; a program's own component may give anything."""
    if not (isinstance(report, Report) and isinstance(report.state, Health)):
        raise TypeError
    numbers = (report.since or 0, report.next_try or 0, *map(_VALUE, report.readings))
    if not all(isinstance(number, _NUMBERS) for number in numbers):
        raise TypeError
    return report


def _no_configuration() -> Mapping[str, object]:
    return {}


class Monitor:
    """The state of all *components* in the documented shapes.

    *configuration* gives the documented variables and their values, without
    secrets, for the detailed status. *journal* and *counts* are the listeners that
    the components were made with; without them nothing has happened yet. *rules* make
    the alerts; *on_alert* hears, once, that one is pending, firing or resolved;
    *mutes* says what people have silenced or seen. Every text of a report passes
    *redact* before it is shown, judged or told.
    """

    def __init__(
        self,
        components: Iterable[Component],
        *,
        journal: Journal | None = None,
        counts: EventCounts | None = None,
        configuration: Configuration = _no_configuration,
        rules: Iterable[Rule] = RULES,
        on_alert: Callable[[AlertEvent], None] = _ignore,
        redact: Redact = redact,
        mutes: Callable[[], Mutes] = Mutes,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.journal = journal or Journal(clock=clock)
        self.counts = counts or EventCounts()
        self._components = {component.name: component for component in components}
        self._configuration = configuration
        self._clock = clock
        self._rules = tuple(rules)
        self._on_alert = on_alert
        self._mutes = mutes
        self._memory = Memory()
        self._hearing = Hearing()
        self._history = History()
        self._toll = Toll()
        self.redact = redact
        self._registry = Registry(self._one_by_one, self.standing, self.counts, clock=clock)
        self._began = clock.time()
        self._observed = float("-inf")

    # -- who is watched -------------------------------------------------------------

    def add(self, component: Component) -> None:
        """Watch *component* too, in place of one of its name."""
        self._components[component.name] = component

    @property
    def database(self) -> Component | None:
        """The component called ``database``."""
        return self._components.get(DATABASE)

    def service(self, name: str) -> Component | None:
        """The AI service called *name*; None if there is none, and none is made."""
        return self._components.get(f"{SERVICE_PREFIX}{name}")

    def component(self, name: str) -> Component | None:
        """The component called *name*."""
        return self._components.get(name)

    # -- what is --------------------------------------------------------------------

    def reports(self) -> tuple[Report, ...]:
        """A report of each component, redacted. Only looks."""
        return tuple(self._one_by_one())

    def _one_by_one(self) -> Iterator[Report]:
        return map(self.report, tuple(self._components.values()))

    def report(self, component: Component) -> Report:
        """The report of one *component*, redacted; unhealthy if it can't be had. Only looks."""
        try:
            return self.redacted(component.report())
        except Exception as error:  # noqa: BLE001 - one that fails must not hide the others
            return _unreadable(component.name, error)

    def redacted(self, report: Report) -> Report:
        """*report* without what must not get out. Raises TypeError for what is none."""
        return redacted(_sound(report), self.redact)

    def metrics(self) -> tuple[Family, ...]:
        """Everything that is counted, under the names of the outside. Only looks."""
        return self._registry.collect()

    def alerts(self) -> tuple[Alert, ...]:
        """Everything worth knowing now, the most urgent first. Only looks."""
        return self._judge(self.reports()).alerts

    def observe(self) -> tuple[Alert, ...]:
        """As :meth:`alerts`, and remember them and the pool: what ends is seen to end."""
        reports, now = self.reports(), Now.of(self._clock)
        for report in reports:
            self._history.note(report, now.wall)
            self._hearing.note(report, now)
            self._toll.note(report)
        judgement = self._judge(reports)
        self._observed = self._clock.monotonic()
        self._memory = judgement.memory
        for event in judgement.events:
            self.journal.record_alert(event)
            self._tell(event)
        return judgement.alerts

    def standing(self) -> tuple[Alert, ...]:
        """What fires and is not over, as of the last :meth:`observe`: what people are told of."""
        return self._memory.standing

    def heartbeat(self) -> tuple[Alert, ...]:
        """As :meth:`standing`, with the watchdog, unless nobody has observed for ten seconds."""
        if self._clock.monotonic() - self._observed > _ALIVE:
            return self.standing()
        return *self.standing(), watchdog_of(self._began, self._clock.time())

    async def watch(self, every: float = 1.0) -> None:
        """Observe every so many seconds until cancelled."""
        while True:
            try:
                self.observe()
            except Exception:  # noqa: BLE001 - a number that is none must never end the watch
                LISTENER_ERRORS.add()
            await self._clock.sleep(every)

    def _tell(self, event: AlertEvent) -> None:
        try:
            self._on_alert(event)
        except Exception:  # noqa: BLE001 - a listener must never end the watch
            LISTENER_ERRORS.add()

    def _judge(self, reports: Iterable[Report]) -> Judgement:
        now = Now.of(self._clock)
        samples = (
            sample_of(report, now, self._hearing.silence(report, now))
            for report in reports
            if is_configured(report)
        )
        return judge(self._rules, samples, now, self._memory, notices=self.journal.notices())

    def service_reports(self) -> tuple[Report, ...]:
        """A report of each AI service. Only looks."""
        return tuple(item for item in self.reports() if item.component.startswith(SERVICE_PREFIX))

    # -- what is shown --------------------------------------------------------------

    def system_health(self) -> SystemHealth:
        """The health of everything."""
        reports = self.reports()
        return system_health(reports, self._judge(reports).alerts, self._clock.time())

    def health_document(self) -> HealthDocument:
        """The health of everything, in the form of ``application/health+json``."""
        return health_document(self.reports(), self._clock.time())

    def dashboard(self) -> Dashboard:
        """All that the page shows."""
        reports = self.reports()
        refused = {report.component: self._toll.refused(report) for report in reports}
        past = Past(self.journal.entries(_SHOWN_EVENTS), self._history.samples(), refused)
        return dashboard(reports, self._shown(reports), past, self._clock.time())

    def alert_list(self) -> AlertList:
        """The alerts, what follows from them, and what people have silenced or seen."""
        return alert_list(self._shown(self.reports()), self._clock.time())

    def _shown(self, reports: Iterable[Report]) -> Standing:
        judgement = self._judge(reports)
        return Standing(judgement.alerts, judgement.inhibited, self._mutes())

    def service_healths(self) -> dict[str, ServiceHealth]:
        """The health of each service by its name."""
        return service_healths(self.reports(), self._clock.time())

    def service_health(self, report: Report) -> ServiceHealth:
        """A service's *report* in the documented shape."""
        return service_health(report, self._clock.time())

    def database_health(self, report: Report) -> DatabaseHealth:
        """The database's *report* in the documented shape."""
        return database_health(report, self._clock.time())

    def pool_metrics(self, report: Report) -> PoolMetrics:
        """The database's *report* as pool metrics."""
        return pool_metrics(report, self._clock.time())

    def detailed_status(self, report: Report) -> DetailedStatus:
        """The database's *report* in full, with the configuration."""
        return detailed_status(report, self._shown_configuration(), self._clock.time())

    def _shown_configuration(self) -> Mapping[str, object]:
        return {
            name: self.redact(value) if isinstance(value, str) else value
            for name, value in self._configuration().items()
        }
