"""An alert rule as data: which component, how urgent, when it holds, what to say and to do."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ..naming import KINDS
from .conditions import Condition, Look
from .samples import Sample
from .series import Trace

__all__ = ["Rule", "Severity", "traces_of"]

_OTHER: Final = "other"
_NAME: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class Severity(StrEnum):
    """How soon somebody should look."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row of the table.

    *kind*: of the components it is about, ``*`` for all, ``other`` for all of kinds that koo does
    not bring along. *when*: the conditions
    that must all hold; the first one's words are the cause. *unless*: numbers of
    which none may be above zero. *hold*: seconds that it must hold before it
    fires. *keep*: seconds of quiet after which it counts as over. *outage*: rules
    with the same word, about the same component, share one beginning.
    The message is ``<what> since <time>; <advice>``.
    """

    kind: str
    name: str
    severity: Severity
    title: str
    what: str
    advice: str
    runbook: str
    when: tuple[Condition, ...]
    unless: tuple[str, ...] = ()
    hold: float = 0.0
    keep: float = 0.0
    outage: str | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"rule {self.name!r}: name must be lower-case words joined by hyphens")
        if not self.when:
            raise ValueError(f"rule {self.name}: when must have at least one condition")
        if "; " in self.what:
            raise ValueError(f"rule {self.name}: what must not contain a semicolon")
        for field in ("kind", "title", "what", "advice"):
            if not getattr(self, field).strip():
                raise ValueError(f"rule {self.name}: {field} must not be empty")
        for field in ("hold", "keep"):
            if not 0 <= getattr(self, field) < float("inf"):
                raise ValueError(f"rule {self.name}: {field} must be a number of seconds")

    def identity(self, component: str) -> str:
        """What the alert of this rule about *component* is called, while it lasts and after."""
        return f"{component}:{self.name}"

    def concerns(self, sample: Sample) -> bool:
        """Whether it is about components like that of *sample*."""
        return self.kind in {sample.kind, "*"} or (self.kind == _OTHER and sample.kind not in KINDS)

    def begins(self, look: Look) -> bool:
        """Whether it holds, after it did not."""
        return not self._excused(look) and all(one.begins(look) for one in self.when)

    def lasts(self, look: Look) -> bool:
        """Whether it still holds, after it did."""
        return not self._excused(look) and all(one.lasts(look) for one in self.when)

    def cause(self, look: Look) -> str | None:
        """Why it holds."""
        return self.when[0].cause(look)

    def _excused(self, look: Look) -> bool:
        return any((look.value(name) or 0) > 0 for name in self.unless)


def traces_of(rules: Iterable[Rule]) -> set[Trace]:
    """What must be followed of a component that *rules* are about."""
    return {trace for rule in rules for condition in rule.when for trace in condition.traces}
