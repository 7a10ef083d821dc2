"""What watching costs and what it withstands: one run, JSON lines, and docs/performance.md.

scripts/bench monitoring [--row NAME ...]

A run of all rows writes docs/performance.md; any other only prints.
"""

from __future__ import annotations

import argparse
import asyncio
import logging

from lab.figures import environment, publish, write_page
from watched.events import events
from watched.looking import looking
from watched.names import made_up_names
from watched.page import keeping, showing
from watched.scrapes import scrapes
from watched.serving import living, stopping

_ROWS = {
    "events": events,
    "scrape": scrapes,
    "looking": looking,
    "stopping": stopping,
    "living": living,
    "names": made_up_names,
    "page": showing,
    "day": keeping,
}
_PEERS = ("prometheus-client", "opentelemetry-sdk", "uvicorn", "granian")


def main() -> None:
    logging.disable(logging.CRITICAL)
    parser = argparse.ArgumentParser(prog="scripts/bench monitoring")
    parser.add_argument("--row", nargs="+", choices=_ROWS, help="only these")
    rows = parser.parse_args().row or list(_ROWS)
    sections = []
    for name in rows:
        section = asyncio.run(_ROWS[name]())
        publish("monitoring", section)
        sections.append(section)
    if rows == list(_ROWS):
        write_page("Monitoring", environment(_PEERS), sections)


if __name__ == "__main__":
    main()
