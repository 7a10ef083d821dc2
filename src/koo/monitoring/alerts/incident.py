"""One rule about one component: from the first sign until it is over.

                  holds               for the rule's *hold*
    nothing -----------> PENDING ----------------------------> FIRING <-----+
       ^                    |                                 gone |        | holds again:
       +-------(gone)-------+                                      v        | the same outage
       +--- RESOLVED <--(quiet for *keep*, or as long as it flaps)-- QUIET -+

It flaps when it has begun to fire four times in ten minutes; then it is not over
until that is ten minutes ago, however short its *keep*. So there are at most four
beginnings in ten minutes, and every beginning has its end. An incident that is quiet also
waits for the others of its outage: they are over together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from .rules import Rule
from .words import Alert, AlertState

__all__ = ["FLAPS", "FLAP_SPAN", "Incident", "is_flapping", "recent"]

FLAPS: Final = 4
FLAP_SPAN: Final = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """*alert* as last seen; *began* when it last began to hold, *quiet_since* when it ended.

    Moments are monotonic seconds, but for the alert's. *fires* are the moments
    at which it began to fire, also of incidents before it.
    """

    rule: Rule
    alert: Alert
    began: float
    quiet_since: float | None = None
    fires: tuple[float, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether it held when last looked at."""
        return self.quiet_since is None

    @property
    def fired(self) -> bool:
        """Whether it has begun to fire and is not over."""
        return self.alert.state is AlertState.FIRING

    def rest(self, now: float) -> Incident:
        """The incident that no longer holds."""
        return self if self.quiet_since is not None else replace(self, quiet_since=now)

    def is_over(self, now: float) -> bool:
        """Whether it has been quiet for its time; what only pended is over at once."""
        if not self.fired:
            return True
        if self.quiet_since is None or is_flapping(self.fires, now):
            return False
        return now - self.quiet_since >= self.rule.keep


def is_flapping(fires: tuple[float, ...], now: float) -> bool:
    """Whether what began at these moments begins too often."""
    return len(recent(fires, now)) >= FLAPS


def recent(fires: tuple[float, ...], now: float) -> tuple[float, ...]:
    """Those of the moments that still count, the latest few."""
    return tuple(at for at in fires if now - at < FLAP_SPAN)[-FLAPS:]
