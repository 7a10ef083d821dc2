"""koo before vendors that have limits, in virtual time: the same on every machine.

scripts/bench ai_limits [--row NAME ...] [--quick]

A run of all rows at full length writes docs/performance.md; any other only prints.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from statistics import fmean

from lab.figures import Figure, Section
from lab.rows import Benchmark, Row
from simulated.vendors import Outcome, Scene, play

from koo.testing import Bucket, Meter
from koo.testing.simulator.dialects import Anthropic, OpenAI

__all__ = ["ROWS", "SCENES"]

#: The seeds of the runs.
Effort = Sequence[int]
FULL: Effort = (1, 2, 3)
QUICK: Effort = (1,)

_REQUESTS = 600
_FEW = 20
_TOKENS = 60_000
_FREE = 10**9


def _limited(
    meter: type[Bucket | Meter], dialect: Anthropic | OpenAI | None, limit: int = _REQUESTS
) -> Scene:
    return Scene(partial(meter, limit, _FREE), limit / 60, dialect)


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


async def told(seeds: Effort) -> Sequence[Section]:
    """Vendors that tell with each answer what is left."""
    figures = await _figures([what for what, scene in SCENES.items() if scene.dialect], seeds)
    method = (
        "Callers without end ask a service whose own limits are wide open, so that only what it"
        " learns of the vendor's holds it back. The 429s are those of the worst of"
        f" {len(seeds)} seeds; the use is their mean, after a warm-up."
    )
    return [Section("Vendors that tell their limits", method, figures)]


async def untold(seeds: Effort) -> Sequence[Section]:
    """Vendors of which only 429s are heard."""
    figures = await _figures([what for what, scene in SCENES.items() if not scene.dialect], seeds)
    method = (
        "As above, before vendors that tell nothing: where the limit is can be found only by"
        " passing it now and then. Where goals are missed: they pull against each other. A refusal"
        " costs a tenth of the pace for 800 calls; a shorter penance would use more of the limit,"
        " and be refused more often."
    )
    return [Section("Vendors that tell nothing", method, figures)]


async def _figures(names: Sequence[str], seeds: Effort) -> list[Figure]:
    return [figure for what in names for figure in await _of_scene(what, SCENES[what], seeds)]


async def _of_scene(what: str, scene: Scene, seeds: Effort) -> Sequence[Figure]:
    # In a thread, because a simulation runs a loop of its own.
    outcomes = [await asyncio.to_thread(play, scene, seed) for seed in seeds]
    return _worst(what, outcomes), _use(what, outcomes)


def _worst(what: str, outcomes: Sequence[Outcome]) -> Figure:
    share = max(outcome.refused_share for outcome in outcomes)
    return Figure(f"share of 429s, {what}", round(share, 5), "", "< 0.005")


def _use(what: str, outcomes: Sequence[Outcome]) -> Figure:
    use = fmean(outcome.use for outcome in outcomes)
    return Figure(f"share of the limit used, {what}", round(use, 4), "", ">= 0.95")


ROWS: Mapping[str, Row[Effort]] = {"told": told, "untold": untold}


if __name__ == "__main__":
    Benchmark("ai_limits", "Limits", (), ROWS, FULL, QUICK).main()
