"""What the long properties share."""

import sys
from importlib import import_module
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture(scope="session")
def simulated():
    """The simulations behind the published figures."""
    sys.path.append(str(BENCHMARKS))
    try:
        return import_module("simulated")
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="session")
def seeds(scale):
    """Twenty fixed seeds; two of them in the gate."""
    return range(1, 1 + round(20 * scale))
