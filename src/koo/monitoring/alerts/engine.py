"""From samples to alerts: a pure function of the rules, what is, what was known, and the time.

    samples --+
    memory ---+--judge()--> Judgement: alerts     what to show: the truth of this moment
    now ------+                        inhibited  what follows from a graver one of them
                                       events     pending, firing, resolved: what became so
                                       memory     for the next time; who only looks drops it

What is shown and what is told differ on purpose. A circuit that has closed is not
shown as open; but it is told to be over only when it has been quiet for a while,
and one that opens again meanwhile goes on with its outage and its beginning. What
holds of a component whose report can't be had goes on too: unknown is not over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from types import MappingProxyType
from typing import Final

from .conditions import Look
from .incident import Incident, recent
from .inhibition import inhibited
from .rules import Rule, Severity, traces_of
from .samples import Now, Sample
from .series import Past, Series, Trace, follow
from .words import Alert, AlertState, Notice, alert_of, change_of, recovery_of, resolved, urgency

__all__ = ["AlertEvent", "Judgement", "Memory", "Recovery", "judge"]

KEPT_RECOVERED: Final = 300.0
KEPT_NOTICE: Final = 3600.0


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """*alert* has become what its state says, at epoch second *at*."""

    alert: Alert
    at: float


@dataclass(frozen=True, slots=True)
class Recovery:
    """The news that a component recovered, at the monotonic second *at*."""

    alert: Alert
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """All that is remembered from one look to the next, by component or by alert id."""

    incidents: Mapping[str, Incident] = field(default_factory=lambda: MappingProxyType({}))
    fires: Mapping[str, tuple[float, ...]] = field(default_factory=lambda: MappingProxyType({}))
    recoveries: Mapping[str, Recovery] = field(default_factory=lambda: MappingProxyType({}))
    past: Past = field(default_factory=lambda: MappingProxyType({}))

    @property
    def standing(self) -> tuple[Alert, ...]:
        """What fires and is not over, the most urgent first."""
        fired = (incident.alert for incident in self.incidents.values() if incident.fired)
        return tuple(sorted(fired, key=urgency))


@dataclass(frozen=True, slots=True)
class Judgement:
    """What there is to show, the most urgent first; what became so; what to remember.

    *inhibited* holds as well, and follows from a graver one of *alerts*.
    """

    alerts: tuple[Alert, ...]
    inhibited: tuple[Alert, ...]
    events: tuple[AlertEvent, ...]
    memory: Memory


def judge(
    rules: Iterable[Rule],
    samples: Iterable[Sample],
    now: Now,
    memory: Memory,
    *,
    notices: Iterable[Notice] = (),
) -> Judgement:
    """Everything worth knowing *now*. No argument is changed."""
    sitting = _Sitting(tuple(rules), now, memory)
    samples = tuple(samples)
    past = sitting.follow(samples)
    held = {one.alert.id: one for sample in samples for one in sitting.hold(sample, past)}
    incidents = held | sitting.hush(held, samples)
    recoveries = _recoveries(memory, held.values(), now)
    needless = inhibited(one.alert for one in held.values())
    shown = chain(
        (one.alert for name, one in held.items() if name not in needless),
        (one.alert for one in recoveries.values()),
        (change_of(notice) for notice in notices if now.wall - notice.at < KEPT_NOTICE),
    )
    return Judgement(
        alerts=tuple(sorted(shown, key=urgency)),
        inhibited=tuple(held[name].alert for name in sorted(held.keys() & needless)),
        events=tuple(_events(memory.incidents, incidents, now)),
        memory=Memory(
            incidents=MappingProxyType(incidents),
            fires=MappingProxyType(_fires(memory.fires, incidents.values(), now)),
            recoveries=MappingProxyType(recoveries),
            past=past,
        ),
    )


class _Sitting:
    """One use of the rules: what holds now, and what no longer does."""

    def __init__(self, rules: tuple[Rule, ...], now: Now, memory: Memory) -> None:
        self._rules = rules
        self._now = now
        self._memory = memory
        self._outages = _outages(memory.incidents.values())
        self._concerned: dict[str, tuple[Rule, ...]] = {}
        self._traced: dict[str, frozenset[Trace]] = {}

    def follow(self, samples: Iterable[Sample]) -> Past:
        """The past with *samples* added, without those who are gone."""
        followed: dict[tuple[str, Trace], Series] = {}
        for sample in samples:
            traces = self._traces_for(sample)
            followed.update(follow(traces, sample, self._memory.past, self._now))
        return MappingProxyType(followed)

    def hold(self, sample: Sample, past: Past) -> Iterator[Incident]:
        """The incidents of *sample*'s component that hold now."""
        look = Look(sample, past, self._now)
        for rule in self._rules_for(sample):
            before = self._memory.incidents.get(rule.identity(sample.component))
            if before is not None and before.holds:
                if rule.lasts(look):
                    yield self._go_on(before, rule, look)
                elif not sample.known:
                    yield before
            elif rule.begins(look):
                yield self._begin(before, rule, look)

    def hush(self, held: Mapping[str, Incident], samples: Iterable[Sample]) -> dict[str, Incident]:
        """The incidents that do not hold now and are not over either, or not known to be.

        Nothing of an outage is over before all of it is.
        """
        now, unknown = self._now.monotonic, {one.component for one in samples if not one.known}
        resting = [
            one.rest(now) for name, one in self._memory.incidents.items() if name not in held
        ]
        quiet = [one for one in resting if one.alert.component in unknown or not one.is_over(now)]
        lasting = _outages((*held.values(), *quiet))
        waiting = (
            one
            for one in resting
            if one.fired and (one.alert.component, one.rule.outage) in lasting
        )
        return {one.alert.id: one for one in (*quiet, *waiting)}

    def _rules_for(self, sample: Sample) -> tuple[Rule, ...]:
        if sample.kind not in self._concerned:
            concerned = [rule for rule in self._rules if rule.concerns(sample)]
            named = {rule.name for rule in concerned if rule.kind == sample.kind}
            # One of the kind itself takes the place of one for more kinds with the same name.
            self._concerned[sample.kind] = tuple(
                rule for rule in concerned if rule.kind == sample.kind or rule.name not in named
            )
        return self._concerned[sample.kind]

    def _traces_for(self, sample: Sample) -> frozenset[Trace]:
        if sample.kind not in self._traced:
            self._traced[sample.kind] = frozenset(traces_of(self._rules_for(sample)))
        return self._traced[sample.kind]

    def _begin(self, before: Incident | None, rule: Rule, look: Look) -> Incident:
        """It holds anew: a new incident, or one that was quiet and is not over."""
        now = self._now.monotonic
        fires = self._memory.fires.get(rule.identity(look.sample.component), ())
        fired = before is not None or rule.hold <= 0
        return Incident(
            rule=rule,
            alert=_alert(rule, look, self._since(before, rule, look.sample), _state(fired=fired)),
            began=now,
            fires=(*recent(fires, now), now) if fired else fires,
        )

    def _since(self, before: Incident | None, rule: Rule, sample: Sample) -> float:
        """When it began: with the outage that it is part of, if there is one."""
        if rule.outage is not None and (key := (sample.component, rule.outage)) in self._outages:
            return self._outages[key]
        if before is not None:
            return before.alert.since
        known = sample.since if rule.outage is not None else None
        return self._now.wall if known is None else known

    def _go_on(self, before: Incident, rule: Rule, look: Look) -> Incident:
        now = self._now.monotonic
        fired = before.fired or now - before.began >= rule.hold
        fires = before.fires if fired is before.fired else (*recent(before.fires, now), now)
        alert = _alert(rule, look, before.alert.since, _state(fired=fired))
        return Incident(rule=rule, alert=alert, began=before.began, fires=fires)


def _outages(incidents: Iterable[Incident]) -> dict[tuple[str, str], float]:
    """Since when each outage lasts that rules share."""
    begins: dict[tuple[str, str], float] = {}
    for incident in incidents:
        if incident.rule.outage is not None:
            key, since = (incident.alert.component, incident.rule.outage), incident.alert.since
            begins[key] = min(begins.get(key, since), since)
    return begins


def _state(*, fired: bool) -> AlertState:
    return AlertState.FIRING if fired else AlertState.PENDING


def _alert(rule: Rule, look: Look, since: float, state: AlertState) -> Alert:
    cause, component = rule.cause(look), look.sample.component
    return alert_of(rule, component, cause, state=state, since=since, now=look.now.wall)


# -- what became so -------------------------------------------------------------------------------


def _events(
    before: Mapping[str, Incident], after: Mapping[str, Incident], now: Now
) -> Iterator[AlertEvent]:
    for identity, incident in after.items():
        was = before.get(identity)
        if was is None or was.fired is not incident.fired:
            yield AlertEvent(incident.alert, now.wall)
    for identity, was in before.items():
        if was.fired and identity not in after:
            yield AlertEvent(resolved(was.alert, now.wall), now.wall)


def _fires(
    known: Mapping[str, tuple[float, ...]], incidents: Iterable[Incident], now: Now
) -> dict[str, tuple[float, ...]]:
    fires = dict(known) | {incident.alert.id: incident.fires for incident in incidents}
    young = ((identity, recent(moments, now.monotonic)) for identity, moments in fires.items())
    return {identity: moments for identity, moments in young if moments}


def _recoveries(memory: Memory, held: Iterable[Incident], now: Now) -> dict[str, Recovery]:
    """What had trouble and has none, for as long as that is news."""
    troubled = {one.alert.component for one in held if one.fired}
    over = sorted(
        (one.alert for one in memory.incidents.values() if _was_trouble(one)),
        key=urgency,
        reverse=True,
    )
    news = {
        alert.component: Recovery(recovery_of(alert, now.wall), now.monotonic) for alert in over
    }
    fresh = {
        name: one
        for name, one in memory.recoveries.items()
        if now.monotonic - one.at < KEPT_RECOVERED
    }
    return {name: one for name, one in (fresh | news).items() if name not in troubled}


def _was_trouble(incident: Incident) -> bool:
    severity = incident.alert.severity
    return incident.holds and incident.fired and severity is not Severity.INFO
