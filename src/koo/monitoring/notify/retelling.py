"""An Alertmanager is not told once, but again and again: what stands, and for a while what is over.

    standing --every 30 s--> ends in two minutes, unless told again
    over ------every 30 s--> ended, for five minutes

So nothing has to survive a crash: who falls silent is taken to be over by itself. Of several
processes one tells what all of them see: one that sees an end would end what others still see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from ...resilience import SYSTEM_CLOCK, Clock
from ..alerts import Alert, Now
from .channels import Alertmanager
from .posting import DeliveryError, failure_of
from .routing import together

__all__ = ["Retelling"]

_KEPT: Final = 300.0
_LASTS: Final = 4
_TIMEOUT: Final = 10.0


class Retelling:
    """Tells *alertmanager* what *standing* gives; a courier has it tell *every* so many seconds."""

    def __init__(
        self,
        standing: Callable[[], Iterable[Alert]],
        alertmanager: Alertmanager,
        *,
        every: float = 30.0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        if not 0 < every < float("inf"):
            raise ValueError("Retelling: every must be a number of seconds above 0")
        self._standing = standing
        self._alertmanager = alertmanager
        self.every = every
        self._clock = clock
        self._stood: dict[str, Alert] = {}
        self._over: dict[str, tuple[Alert, Now]] = {}
        self.name = alertmanager.name

    async def tell(self, elsewhere: Iterable[Alert] = ()) -> None:
        """Tell once, of what stands here and *elsewhere*. Raises DeliveryError."""
        now = Now.of(self._clock)
        self._look(together(self._standing(), elsewhere), now)
        over = [(alert, ended.wall) for alert, ended in self._over.values()]
        until = now.wall + _LASTS * self.every
        telling = self._alertmanager.tell(self._stood.values(), over, until=until)
        error = await failure_of(telling, _TIMEOUT)
        if error is not None:
            raise DeliveryError(error)

    def _look(self, alerts: Iterable[Alert], now: Now) -> None:
        standing = {alert.id: alert for alert in alerts}
        ended = {key: (one, now) for key, one in self._stood.items() if key not in standing}
        self._over = {
            key: (alert, at)
            for key, (alert, at) in (self._over | ended).items()
            if key not in standing and now.monotonic - at.monotonic < _KEPT
        }
        self._stood = standing
