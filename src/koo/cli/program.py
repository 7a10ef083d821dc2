"""What the command line offers, and what becomes of it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import TypeAlias

from . import alerts

__all__ = ["main"]

_Job: TypeAlias = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what *arguments* (of the command line by default) ask; the exit code."""
    given = _parser().parse_args(arguments)
    job: _Job = given.job
    try:
        return job(given)
    except (OSError, ValueError) as error:
        what = error.strerror if isinstance(error, OSError) else error
        sys.stderr.write(f"koo: {getattr(given, 'file', '')}: {what}\n")
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="koo", description="For whoever operates koo.")
    rooms = parser.add_subparsers(required=True, metavar="ROOM")
    jobs = rooms.add_parser("alerts", help="alert rules").add_subparsers(
        required=True, metavar="JOB"
    )
    lists = jobs.add_parser("list", help="every rule in force")
    lists.add_argument("file", nargs="?", help="TOML file with rules of your own")
    lists.set_defaults(job=lambda given: alerts.list_rules(given.file))
    tests = jobs.add_parser("test", help="whether a file is right, and its tests hold")
    tests.add_argument("file", help="TOML file with rules of your own")
    tests.set_defaults(job=lambda given: alerts.test_rules(given.file))
    return parser
