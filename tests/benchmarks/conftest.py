"""The benchmarks' own modules; those that need no peer are imported here."""

import sys
from importlib import import_module
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="session")
def benchmark_module():
    """`benchmark_module("lab.paired")`."""
    sys.path.append(str(BENCHMARKS))
    try:
        yield import_module
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="session")
def paired(benchmark_module):
    return benchmark_module("lab.paired")


@pytest.fixture(scope="session")
def figures(benchmark_module):
    return benchmark_module("lab.figures")


@pytest.fixture(scope="session")
def hooks(benchmark_module):
    return benchmark_module("pools.hooks")
