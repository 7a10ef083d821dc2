"""The simulations behind the published figures, shorter: hardly a 429, and every call used."""

import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
SCENES = (
    "600 a minute, bucket, as OpenAI tells it",
    "600 a minute, fixed minute, as Anthropic tells it",
    "20 a minute, bucket, as OpenAI tells it",
    "60,000 tokens a minute, bucket, as OpenAI tells it",
)


@pytest.fixture(scope="module")
def limits():
    """The program of the figures."""
    sys.path.append(str(BENCHMARKS))
    try:
        return import_module("ai_limits")
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.mark.properties
@pytest.mark.parametrize("what", SCENES)
def test_a_vendor_that_tells_its_limits_hardly_has_to_refuse_and_is_fully_used(limits, what, scale):
    scene = replace(limits.SCENES[what], seconds=120.0 + max(120.0, 1_200.0 * scale))
    outcome = limits.play(scene, seed=1)
    assert outcome.refused_share < 0.005
    assert outcome.use >= 0.95


@pytest.mark.properties
def test_a_vendor_that_tells_nothing_is_tried_out_at_a_bounded_price(limits, scale):
    scene = limits.SCENES["600 a minute, bucket, nothing told"]
    outcome = limits.play(replace(scene, seconds=120.0 + max(240.0, 1_200.0 * scale)), seed=1)
    assert outcome.refused_share < 0.01
    assert outcome.use >= 0.9
