"""What an outage looked like from outside, made of the answers that visitors got."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Answer", "Observed", "observed"]


@dataclass(frozen=True, slots=True)
class Answer:
    """How a request ended: when (monotonic seconds), after how long, and whether well."""

    at: float
    taken: float
    is_good: bool


@dataclass(frozen=True, slots=True)
class Observed:
    """What an outage looked like from outside."""

    dials: int
    errors: int
    error_p50_ms: float
    recovery: float
    """Seconds from the server's return to the first success; all that was waited if none came."""


def observed(answers: Sequence[Answer], went: float, came: float, dials: int) -> Observed:
    """What *answers* show of a server that *went* and *came* back at those moments."""
    bad = [answer.taken for answer in answers if answer.at >= went and not answer.is_good]
    good = [answer.at - came for answer in answers if answer.at >= came and answer.is_good]
    return Observed(
        dials,
        len(bad),
        1000 * statistics.median(bad) if bad else 0.0,
        min(good, default=max((answer.at for answer in answers), default=came) - came),
    )
