"""Why an alert that fires is not told: another one says more, or a person wants quiet.

    alert --> inhibited?  a graver alert about the same component fires
          --> silenced?   a person asked for quiet, until a time
          --> told; then acknowledged? told, but nobody is reminded of it

Muting stops news, never the end: who was told that it fires is told that it is over.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ..alerts import Alert
from ..alerts.inhibition import inhibited, rule_of

__all__ = ["Acknowledgement", "Mutes", "Silence"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """*actor* wants no news of what matches, from *starts* until *ends* (epoch seconds).

    *component* and *rule* are patterns: ``*`` stands for anything, ``ai:*`` for every service.
    """

    id: str
    component: str = "*"
    rule: str = "*"
    starts: float
    ends: float
    actor: str
    reason: str

    def __post_init__(self) -> None:
        if not self.starts < self.ends < float("inf"):
            raise ValueError("silence: ends must be after starts, and some day")
        if len(self.reason.strip()) < 3:  # noqa: PLR2004 - a word at least
            raise ValueError("silence: reason must say why in a few words")

    def mutes(self, alert: Alert, wall: float) -> bool:
        """Whether *alert* is no news at the epoch second *wall*."""
        return (
            self.starts <= wall < self.ends
            and fnmatchcase(alert.component, self.component)
            and fnmatchcase(rule_of(alert), self.rule)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """*actor* has seen by *at* (epoch seconds) that the alert *id* fires: no more reminders.

    Not the alert's own beginning, because each process has seen another one.
    """

    id: str
    at: float
    actor: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Mutes:
    """Everything that people have muted."""

    silences: tuple[Silence, ...] = ()
    acknowledgements: tuple[Acknowledgement, ...] = ()

    def audible(self, standing: Iterable[Alert], wall: float) -> tuple[Alert, ...]:
        """Those of the *standing* alerts that are news."""
        standing = tuple(standing)
        needless = inhibited(standing)
        return tuple(
            alert
            for alert in standing
            if alert.id not in needless and self.silence_of(alert, wall) is None
        )

    def silence_of(self, alert: Alert, wall: float) -> Silence | None:
        """The silence that mutes *alert* at the epoch second *wall*, the one that lasts longest."""
        silences = (one for one in self.silences if one.mutes(alert, wall))
        return max(silences, key=lambda one: one.ends, default=None)

    def acknowledgement_of(self, alert: Alert) -> Acknowledgement | None:
        """Who has seen this incident, the last of them."""
        seen = (it for it in self.acknowledgements if it.id == alert.id and alert.since <= it.at)
        return max(seen, key=lambda it: it.at, default=None)
