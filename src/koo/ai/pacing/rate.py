"""How many calls a second a vendor bears, learned from how it refuses.

                     429, no limit told              overloaded, or grew too fast
    unbounded --------------------------> Additive   --------------------> Ramp
                  four fifths of what passed  |      half of what            |
                  lately, or nine tenths      |      passed lately           |
                                              |                              |
              each success that had to wait for its turn raises it;  time alone raises it,
              slowly around the rate that was last refused           to twice the rate before

A refusal counts once: those of calls that were sent before the last cut say nothing of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log
from typing import Final

from ...resilience import RollingCount
from .told import Urge

__all__ = ["Additive", "Ramp"]

#: Of a rate that was refused, while nobody knows what is borne.
_CUT: Final = 0.8
#: The same once a minute was answered; and of what it answered, as who counts by the minute bears.
_SLIGHT_CUT: Final = 0.9
_NEARLY: Final = 0.98
#: So many successes for each call refused win back what a slight cut took; so the refused stay
#: below one in as many.
_SUCCESSES: Final = 800
_STEP: Final = (1 - _SLIGHT_CUT) / _SUCCESSES
#: Above so much of the rate that was refused, the limit has changed: the rate rises faster.
_NEAR: Final = 1.25
_FAR_STEP: Final = 0.004
_LOWEST: Final = 1 / 60
#: Seconds between two calls while each is refused.
_SHORTEST_HOLD: Final = 1.0
_LONGEST_HOLD: Final = 30.0
_MOST_DOUBLINGS: Final = 5
_MINUTE: Final = 60.0
#: A rate that nobody had to wait for in so many seconds is forgotten.
_STALE: Final = 600.0


class Additive:
    """A rate that refusals cut by a share and successes raise step by step.

    While nothing but refusals come that name no wait, one call is sent to ask, each time
    after twice as long.
    """

    __slots__ = (
        "_ceiling",
        "_cut_at",
        "_good",
        "_good_since",
        "_limited_at",
        "_refused",
        "_row",
        "rate",
    )

    def __init__(self) -> None:
        #: Calls a second; None: as many as come.
        self.rate: float | None = None
        self._good = RollingCount(_MINUTE)
        self._good_since = inf
        self._ceiling = self._limited_at = 0.0
        self._cut_at = self._row = self._refused = 0

    def cut(self, seen: float, *, newest: int, number: int, wait: float | None, now: float) -> bool:
        """Lower the rate, *seen* lately, because call *number* was refused; False if known.

        *wait* is the time in seconds that the refusal named: somebody else keeps it.
        """
        self._refused += 1
        if self.rate is not None and number <= self._cut_at:
            return False
        if not self._row:
            self._refused = 1
            self.rate = max(_LOWEST, self._borne(seen if self.rate is None else self.rate, now))
            self._ceiling = self.rate / _SLIGHT_CUT
        self._cut_at, self._limited_at = newest, now
        self._row += wait is None
        return True

    def succeeded(self, number: int, interval: float, now: float) -> None:
        """A call was answered; *interval* is what it had to keep, 0.0 if it had not to wait."""
        self._good.add(now)
        self._good_since = min(self._good_since, now)
        if self.rate is None or number <= self._cut_at:
            return
        self._row = 0
        if interval:
            self._limited_at = now
            is_near = self.rate < _NEAR * self._ceiling
            step = _STEP * self._ceiling if is_near else _FAR_STEP * self.rate
            self.rate += step / self._refused

    def at(self, now: float) -> float:
        """The rate at *now*; infinite while nothing was refused lately."""
        if self.rate is None or now - self._limited_at >= _STALE:
            return inf
        return self.rate

    @property
    def hold(self) -> float:
        """Seconds to the next call while each is refused; 0.0 while they are not."""
        if not self._row:
            return 0.0
        return min(_LONGEST_HOLD, _SHORTEST_HOLD * float(2 ** min(self._row - 1, _MOST_DOUBLINGS)))

    def _borne(self, rate: float, now: float) -> float:
        """What is borne if *rate* is not: less than it, and than what was answered in a minute."""
        answered = self._good.per_second(now)
        if not answered or now - self._good_since < _MINUTE:
            return _CUT * rate
        return min(_SLIGHT_CUT * rate, _NEARLY * answered)


@dataclass(frozen=True, slots=True)
class _Slope:
    """By which *factor* a ramp rises in so many *seconds*."""

    factor: float
    seconds: float


#: A ramp begins at this share of the rate before, and ends at twice that rate.
_START: Final = 0.5
_END: Final = 2.0
#: An overload is over soon; who grew too fast may grow by half in a quarter of an hour.
_SLOPES: Final = {Urge.EASE: _Slope(2.0, 30.0), Urge.GROW_SLOWLY: _Slope(1.5, 900.0)}


class Ramp:
    """A rate that begins at half of what it was and rises with time, until twice that."""

    __slots__ = ("_begun_at", "_cut_at", "_slope", "_start", "ends_at")

    def __init__(self) -> None:
        self._slope = _SLOPES[Urge.EASE]
        self._begun_at = self._start = 0.0
        self.ends_at = -inf
        self._cut_at = 0

    def begin(self, urge: Urge, seen: float, newest: int, *, number: int, now: float) -> bool:
        """Begin at half of the rate *seen* lately, as *urge* asks of *number*; False if known."""
        rate = self.at(now)
        if rate < inf and number <= self._cut_at:
            return False
        before = max(2 * _LOWEST, min(rate, seen))
        self._slope = _SLOPES[urge]
        self._begun_at, self._start = now, _START * before
        self.ends_at = now + self._slope.seconds * log(_END / _START, self._slope.factor)
        self._cut_at = newest
        return True

    def at(self, now: float) -> float:
        """The rate at *now*; infinite without a ramp."""
        if now >= self.ends_at:
            return inf
        steps = (now - self._begun_at) / self._slope.seconds
        return self._start * float(self._slope.factor**steps)
