"""koo before vendors that have limits, in virtual time: one JSON line for each figure.

Callers without end ask a service whose own limits are wide open, so that only what it learns
of the vendor's holds it back: from headers, or, where a vendor tells nothing, from its 429s.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from statistics import fmean

from simulated.vendors import Scene, play

from koo.testing import Bucket, Meter
from koo.testing.simulator.dialects import Anthropic, OpenAI

__all__ = ["SCENES", "SEEDS", "Figure", "figures"]

SEEDS = (1, 2, 3)

_REQUESTS = 600
_FEW = 20
_TOKENS = 60_000
_FREE = 10**9


@dataclass(frozen=True, slots=True)
class Figure:
    """One simulated value, and the bound it has to keep: "<= 0.005"."""

    what: str
    value: float
    goal: str


def _limited(
    meter: type[Bucket | Meter], dialect: Anthropic | OpenAI | None, limit: int = _REQUESTS
) -> Scene:
    return Scene(partial(meter, limit, _FREE), limit / 60, dialect)


#: The goals are those of a bucket that tells; who tells nothing must be tried out.
SCENES: Mapping[str, Scene] = {
    "600 a minute, bucket, as OpenAI tells it": _limited(Bucket, OpenAI()),
    "600 a minute, bucket, as Anthropic tells it": _limited(Bucket, Anthropic()),
    "600 a minute, fixed minute, as OpenAI tells it": _limited(Meter, OpenAI()),
    "600 a minute, fixed minute, as Anthropic tells it": _limited(Meter, Anthropic()),
    "20 a minute, bucket, as OpenAI tells it": _limited(Bucket, OpenAI(), _FEW),
    "20 a minute, fixed minute, as Anthropic tells it": _limited(Meter, Anthropic(), _FEW),
    "60,000 tokens a minute, bucket, as OpenAI tells it": Scene(
        partial(Bucket, _FREE, _TOKENS), _TOKENS / 60 / 100, OpenAI()
    ),
    "answers of 20 s, bucket, as OpenAI tells it": Scene(
        partial(Bucket, _REQUESTS, _FREE), _REQUESTS / 60, OpenAI(), callers=600, latency=20.0
    ),
    "600 a minute, bucket, nothing told": _limited(Bucket, None),
    "600 a minute, fixed minute, nothing told": _limited(Meter, None),
}


def figures(seeds: Sequence[int] = SEEDS) -> Iterator[Figure]:
    """Every figure, one after the other."""
    for what, scene in SCENES.items():
        outcomes = [play(scene, seed) for seed in seeds]
        share = max(outcome.refused_share for outcome in outcomes)
        yield Figure(f"worst share of 429s, {what}", round(share, 5), "< 0.005")
        use = fmean(outcome.use for outcome in outcomes)
        goal = ">= 0.95" if scene.dialect else ">= 0.9"
        yield Figure(f"share of the limit used, {what}", round(use, 4), goal)


if __name__ == "__main__":
    for figure in figures():
        print(json.dumps({"benchmark": "ai_limits", **asdict(figure)}), flush=True)
