"""Why an alert that fires is not told: another one says more, or a person wants quiet.

    alert --> inhibited?  a graver alert about the same component fires
          --> silenced?   a person asked for quiet, until a time
          --> told; then acknowledged? told, but nobody is reminded of it

Muting stops news, never the end: who was told that it fires is told that it is over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

from ..alerts import Alert

__all__ = ["INHIBITIONS", "Acknowledgement", "Mutes", "Silence"]

#: While the alert on the left fires, those on the right, about the same component, are not news.
INHIBITIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "pool-exhausted": ("pool-near", "held-long"),
    "circuit-open": ("budget-burn-fast", "budget-burn-slow", "pool-near"),
    "out-of-service": ("budget-burn-fast", "budget-burn-slow", "pool-near"),
    "budget-burn-fast": ("budget-burn-slow",),
    "budget-spent": ("limit-near", "budget-forecast"),
    "limit-reached": ("limit-near",),
}


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
            and fnmatchcase(_rule_of(alert), self.rule)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """*actor* has seen the alert *id* that began at *since*, and need not be reminded of it."""

    id: str
    since: float
    actor: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Mutes:
    """Everything that people have muted, and what alerts mute one another."""

    silences: tuple[Silence, ...] = ()
    acknowledgements: tuple[Acknowledgement, ...] = ()
    inhibitions: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: INHIBITIONS)

    def audible(self, standing: Iterable[Alert], wall: float) -> tuple[Alert, ...]:
        """Those of the *standing* alerts that are news."""
        standing = tuple(standing)
        inhibited = self.inhibited(standing)
        return tuple(
            alert
            for alert in standing
            if alert.id not in inhibited
            and not any(silence.mutes(alert, wall) for silence in self.silences)
        )

    def inhibited(self, standing: Iterable[Alert]) -> frozenset[str]:
        """The ids of the alerts that a graver one, which stands as well, makes needless."""
        return frozenset(
            f"{alert.component}:{lesser}"
            for alert in standing
            for lesser in self.inhibitions.get(_rule_of(alert), ())
        )

    def acknowledged(self, alert: Alert) -> bool:
        """Whether somebody has seen this incident."""
        return any(
            seen.id == alert.id and seen.since == alert.since for seen in self.acknowledgements
        )


def _rule_of(alert: Alert) -> str:
    return alert.id.removeprefix(f"{alert.component}:")
