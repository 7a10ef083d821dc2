"""A benchmark made of rows, each of which measures something and gives sections of the page.

scripts/bench NAME                  every row at full length, which writes the page
scripts/bench NAME --row X --quick  some rows, with fewer rounds; only printed
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Generic, TypeVar

from .figures import Section, environment, publish, write_page

__all__ = ["Benchmark", "Row"]

EffortT = TypeVar("EffortT")
Row = Callable[[EffortT], Coroutine[Any, Any, Sequence[Section]]]


@dataclass(frozen=True, slots=True)
class Benchmark(Generic[EffortT]):
    """*rows* by the name that ``--row`` takes; *title* marks its part of the page."""

    name: str
    title: str
    peers: Sequence[str]
    rows: Mapping[str, Row[EffortT]]
    full: EffortT
    quick: EffortT

    def main(self) -> None:
        """Measure what the command line asks for."""
        wanted = self._wanted()
        names = wanted.row or list(self.rows)
        effort = self.quick if wanted.quick else self.full
        sections: list[Section] = []
        for number, name in enumerate(names, 1):
            with _told(f"{self.name}, row {number} of {len(names)}: {name}"):
                sections += self._measured(name, effort)
        if names == list(self.rows) and effort is self.full:
            write_page(self.title, environment(self.peers), sections)
        _tell_misses(sections)

    def _wanted(self) -> argparse.Namespace:
        parser = argparse.ArgumentParser(prog=f"scripts/bench {self.name}")
        parser.add_argument("--row", nargs="+", choices=self.rows, help="only these")
        parser.add_argument("--quick", action="store_true", help="fewer rounds; for a look")
        return parser.parse_args()

    def _measured(self, row: str, effort: EffortT) -> list[Section]:
        sections = list(asyncio.run(self.rows[row](effort)))
        for section in sections:
            publish(self.name, section)
        return sections


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Who waits is told what for, and afterwards how long it was."""
    print(what, end=" ... ", file=sys.stderr, flush=True)
    began = perf_counter()
    try:
        yield
    finally:
        print(f"{perf_counter() - began:.0f} s", file=sys.stderr, flush=True)


def _tell_misses(sections: list[Section]) -> None:
    figures = [figure for section in sections for figure in section.figures]
    missed = [figure for figure in figures if figure.met is False]
    for figure in missed:
        print(
            f"missed: {figure.what}: {figure.value:.4g} {figure.unit}, goal {figure.goal}",
            file=sys.stderr,
        )
    goals = sum(figure.met is not None for figure in figures)
    print(f"{goals - len(missed)} of {goals} goals reached", file=sys.stderr)
