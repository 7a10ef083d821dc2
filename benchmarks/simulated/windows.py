"""What rate limits let through, counted over every window there is."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from koo.resilience import Limit, Policy, RateLimiter, RateLimiterConfig
from koo.testing import run, running_clock

__all__ = ["DOCUMENTED_LIMITS", "Windows", "busiest", "rolling_window"]

#: The documented limits: 60 a minute, 1,000 an hour, 10,000 a day.
DOCUMENTED_LIMITS = (Limit(60, 60.0), Limit(1_000, 3_600.0), Limit(10_000, 86_400.0))


@dataclass(frozen=True, slots=True)
class Windows:
    """The worst count in any rolling window of one limit, and how well all of them were used.

    *utilisation*: the time that the same calls take at the soonest, each as soon as all limits
    allow it, over the time that they took. At most 1.
    """

    limit: Limit
    worst: int
    utilisation: float


def rolling_window(
    limits: Sequence[Limit], seconds: float, seed: int | None = None
) -> tuple[Windows, ...]:
    """Demand without end on *limits* for *seconds*.

    Without a *seed*, one caller asks again as soon as it may. With one, it asks in bursts of
    random size at random moments, which is the worst for whoever counts in buckets.
    """
    stamps = run(_demand(limits, seconds, None if seed is None else random.Random(seed)))
    utilisation = _soonest(limits, len(stamps))[-1] / (stamps[-1] - stamps[0])
    return tuple(Windows(limit, busiest(stamps, limit.per), utilisation) for limit in limits)


async def _demand(
    limits: Sequence[Limit], seconds: float, chance: random.Random | None
) -> list[float]:
    clock, stamps = running_clock(), []
    limiter = RateLimiter("windows", RateLimiterConfig(tuple(limits)), clock=clock)
    policy = Policy("windows", gates=[limiter], clock=clock)
    rhythm = _greedily() if chance is None else _in_bursts(limits[0], chance)

    async def note() -> None:
        stamps.append(clock.monotonic())

    pause = next(rhythm)
    while clock.monotonic() + pause < seconds:
        await clock.sleep(pause)
        outcome = await policy.outcome(note)
        pause = rhythm.send(outcome.retry_after)
    return stamps


Rhythm = Generator[float, float | None, None]


def _greedily() -> Rhythm:
    retry_after = yield 0.0
    while True:
        retry_after = yield retry_after or 0.0


def _in_bursts(limit: Limit, chance: random.Random) -> Rhythm:
    """Between the bursts, which together ask for about twice the limit, a random pause."""
    while True:
        refused = yield chance.expovariate(16 / limit.per)
        for _ in range(int(chance.expovariate(8 / limit.limit))):
            if refused is not None:
                break
            refused = yield 0.0


def _soonest(limits: Sequence[Limit], number: int) -> list[float]:
    """The moments of *number* calls from 0 on, each as soon as no window holds too many."""
    moments: list[float] = []
    for _ in range(number):
        full = (each for each in limits if len(moments) >= each.limit)
        moments.append(max((moments[-each.limit] + each.per for each in full), default=0.0))
    return moments


def busiest(stamps: list[float], span: float) -> int:
    """The most stamps within any half-open span."""
    return max(
        number + 1 - bisect_right(stamps, stamp - span) for number, stamp in enumerate(stamps)
    )
