"""A benchmark of rows as a program: its arguments, its figures, its page, its misses."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence

from lab.figures import Section, environment, publish, write_page

from .place import FULL, QUICK, Effort

__all__ = ["run"]

_Row = Callable[[Effort], Awaitable[Sequence[Section]]]


def run(name: str, marker: str, rows: Mapping[str, _Row], peers: Sequence[str]) -> None:
    """Measure what the command line asks for; all rows at full length write the page."""
    # The faults are ours; what each library writes about them is not what is measured.
    logging.disable(logging.CRITICAL)
    wanted = _wanted(name, rows)
    chosen = wanted.row or list(rows)
    effort = QUICK if wanted.quick else FULL
    sections = [section for row in chosen for section in _measured(name, rows[row], effort)]
    if chosen == list(rows) and effort is FULL:
        write_page(marker, environment(peers), sections)
    _tell_misses(sections)


def _wanted(name: str, rows: Mapping[str, _Row]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"scripts/bench {name}")
    parser.add_argument("--row", nargs="+", choices=rows, help="only these")
    parser.add_argument("--quick", action="store_true", help="fewer rounds; for a look")
    return parser.parse_args()


def _measured(name: str, row: _Row, effort: Effort) -> list[Section]:
    sections = list(asyncio.run(row(effort)))
    for section in sections:
        publish(name, section)
    return sections


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
