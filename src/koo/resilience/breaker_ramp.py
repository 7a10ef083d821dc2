"""How admission grows after a circuit breaker has closed.

    calls that may wait for an answer at once

    ramp_start ... one more with each success ...
    |--- ramp_timeout ---| doubled |--- ramp_timeout ---| doubled ...
                                                        over, once it has refused nobody between

Success widens it at the pace of quick calls. Time widens it for long ones, of which none has
ended yet, and for those that hang: they can hold it for as long as it takes to double past them.
"""

from __future__ import annotations

from .breaker_config import BreakerConfig

__all__ = ["Ramp"]


class Ramp:
    """The *width* that calls in flight have, growing until it is wide enough for everybody."""

    __slots__ = ("_is_tight", "_widens_in", "widens_at", "width")

    def __init__(self, config: BreakerConfig, now: float) -> None:
        self.width = config.ramp_start
        self.widens_at = now + config.ramp_timeout
        self._widens_in = config.ramp_timeout
        self._is_tight = False

    def widen(self, now: float) -> bool:
        """Double it, being due; False if it has refused nobody since it was doubled last."""
        if not self._is_tight:
            return False
        self.width *= 2
        self.widens_at = now + self._widens_in
        self._is_tight = False
        return True

    def refuses(self, in_flight: int) -> bool:
        """Whether one more beside so many is too much."""
        if in_flight < self.width:
            return False
        self._is_tight = True
        return True
