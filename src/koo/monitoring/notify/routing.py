"""When to write to people, and about what: a pure function, too.

    standing alerts --> audible (mutes) --> groups --decide()--> at most one message
                                                                 per group and interval

A group is a kind of component and a severity: a thousand failing services are one
message, and a critical alert never waits for the interval of a warning.

    nothing --first news--> waiting for *wait* s --> message --> *interval* s of quiet --+
                                                        ^------(news, or an end)---------+
                                                        ^--(still fires after *repeat*)--+

Who was told that an alert fires is told that it is over; of what began and ended
before anybody was told, nobody is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from ..alerts import Alert, AlertState, Now
from ..alerts.words import resolved, urgency
from .mutes import Mutes

__all__ = ["Book", "Group", "Message", "RoutingConfig", "decide", "together"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingConfig:
    """How patient notifications are, in seconds.

    *wait*: from the first news of a group to its first message, so that what
    breaks together is told together. *interval*: between two messages of a group.
    *repeat*: until one is reminded of what still fires and nobody acknowledged.
    """

    wait: float = 10.0
    interval: float = 300.0
    repeat: float = 14_400.0

    def __post_init__(self) -> None:
        for name in ("wait", "interval", "repeat"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"RoutingConfig: {name} must be a number of seconds")
        if self.repeat < self.interval:
            raise ValueError("RoutingConfig: repeat must not be shorter than interval")


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be told of one group: all that fires and was told, and what is over."""

    group: str
    at: float
    firing: tuple[Alert, ...]
    resolved: tuple[Alert, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """What was told of a group, by alert id, and from which monotonic second on it may speak."""

    due: float
    told: Mapping[str, Alert] = field(default_factory=lambda: MappingProxyType({}))
    sent: float | None = None


@dataclass(frozen=True, slots=True)
class Book:
    """What was told to whom; *ends_from*: before this monotonic second nothing is over.

    A process that has just begun does not yet know what still fires.
    """

    groups: Mapping[str, Group] = field(default_factory=lambda: MappingProxyType({}))
    ends_from: float = float("-inf")

    @property
    def told(self) -> frozenset[str]:
        """The ids of all alerts that were told and are not over."""
        return frozenset(key for group in self.groups.values() for key in group.told)

    def beyond(self, other: Book) -> Book:
        """What *other* has not told."""
        groups = {
            name: replace(group, told=MappingProxyType(told))
            for name, group in self.groups.items()
            if (told := {key: one for key, one in group.told.items() if key not in other.told})
        }
        return Book(MappingProxyType(groups), self.ends_from)

    def joined(self, later: Book) -> Book:
        """What was told by either; the *later* one knows it better."""
        groups = dict(self.groups)
        for name, group in later.groups.items():
            before = groups[name].told if name in groups else {}
            groups[name] = replace(group, told=MappingProxyType({**before, **group.told}))
        return Book(MappingProxyType(groups), self.ends_from)


def decide(
    config: RoutingConfig, standing: Iterable[Alert], mutes: Mutes, book: Book, *, now: Now
) -> tuple[Book, tuple[Message, ...]]:
    """What to send *now*, and what is told once that is sent."""
    standing = tuple(standing)
    audible = _by_group(mutes.audible(standing, now.wall))
    alive = frozenset(alert.id for alert in standing)
    desk = _Desk(config, mutes, alive, book.ends_from, now)
    groups, messages = {}, []
    for name in book.groups.keys() | audible.keys():
        news = audible.get(name, {})
        group = book.groups.get(name) or Group(now.monotonic + config.wait)
        message = desk.message(name, group, news)
        if message is not None:
            messages.append(message)
            group = desk.told(message)
        if not desk.is_idle(group, news):
            groups[name] = group
    messages.sort(key=lambda message: message.group)
    return Book(MappingProxyType(groups), book.ends_from), tuple(messages)


@dataclass(frozen=True, slots=True)
class _Desk:
    config: RoutingConfig
    mutes: Mutes
    alive: frozenset[str]
    ends_from: float
    now: Now

    def message(self, name: str, group: Group, news: Mapping[str, Alert]) -> Message | None:
        """What there is to say of the group now, if it may speak and has something to say."""
        over = self._over(group)
        fresh = news.keys() - group.told.keys()
        if self.now.monotonic < group.due or not (over or fresh or self._must_remind(group, news)):
            return None
        kept = {key: alert for key, alert in group.told.items() if key not in over}
        return Message(
            name,
            self.now.wall,
            tuple(sorted({**kept, **news}.values(), key=urgency)),
            tuple(resolved(group.told[key], self.now.wall) for key in sorted(over)),
        )

    def told(self, message: Message) -> Group:
        """The group once *message* is sent."""
        told = {alert.id: alert for alert in message.firing}
        moment = self.now.monotonic
        return Group(moment + self.config.interval, MappingProxyType(told), moment)

    def is_idle(self, group: Group, news: Mapping[str, Alert]) -> bool:
        """Whether nothing is told, nothing is to tell, and the interval is over."""
        waits = group.sent is not None and self.now.monotonic < group.due
        return not (group.told or news or waits)

    def _over(self, group: Group) -> frozenset[str]:
        if self.now.monotonic < self.ends_from:
            return frozenset()
        return frozenset(group.told) - self.alive

    def _must_remind(self, group: Group, news: Mapping[str, Alert]) -> bool:
        if group.sent is None or self.now.monotonic - group.sent < self.config.repeat:
            return False
        return any(
            key in group.told and self.mutes.acknowledgement_of(alert) is None
            for key, alert in news.items()
        )


def together(here: Iterable[Alert], elsewhere: Iterable[Alert]) -> tuple[Alert, ...]:
    """What stands anywhere, each alert once: as it is where it began first."""
    found: dict[str, Alert] = {}
    for alert in (*here, *elsewhere):
        known = found.setdefault(alert.id, alert)
        if alert.since < known.since:
            found[alert.id] = alert
    return tuple(sorted(found.values(), key=urgency))


def _by_group(alerts: Iterable[Alert]) -> dict[str, dict[str, Alert]]:
    groups: dict[str, dict[str, Alert]] = {}
    for alert in alerts:
        if alert.state is AlertState.FIRING:
            groups.setdefault(_group_of(alert), {})[alert.id] = alert
    return groups


def _group_of(alert: Alert) -> str:
    return f"{alert.component.partition(':')[0]}:{alert.severity}"
