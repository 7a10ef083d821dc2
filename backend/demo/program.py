"""The whole system on real parts: ``scripts/demo [--port N] [--seconds N]``.

a port --> PostgreSQL --> settings for these parts alone --> application, workload, faults
Ctrl-C, SIGTERM, or the seconds are over --> all of it ends, in the opposite order
"""

from __future__ import annotations

import argparse
import asyncio
import io
import sys
from collections.abc import Mapping, Sequence
from socket import socket
from typing import Final

from api.server import listen, port_number
from core import garbage
from core.config import isolate
from core.signals import end_quietly, finish
from koo.testing import PostgresServer, Simulator

from .place import Place

__all__ = ["main"]

_HOST: Final = "127.0.0.1"
_LATENCY: Final = 0.3
_KEYS: Final[Mapping[str, str]] = {
    "claude": "ANTHROPIC_API_KEY",
    "openai": "OPENAI_API_KEY",
    "gemini": "GEMINI_API_KEY",
    "perplexity": "PERPLEXITY_API_KEY",
}
#: What differs from the defaults, so that an outage is over before the visitor is bored.
_HASTE: Final[Mapping[str, str]] = {
    "DB_CIRCUIT_BREAKER_RECOVERY_TIMEOUT": "5",
    "SHUTDOWN_GRACE": "1",
    # What the demo spends is nobody's money.
    "STATE_URL": "memory:",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run until Ctrl-C, SIGTERM or the end of the seconds; one sentence for what can't work."""
    end_quietly()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    options = _parser().parse_args(arguments)
    try:
        listener = listen(_HOST, options.port)
        place = Place()
        postgres = PostgresServer(place.data)
        postgres.start()
    except (OSError, RuntimeError) as error:
        sys.stderr.write(f"demo: {error}\n")
        raise SystemExit(1) from None
    try:
        _run(postgres, listener, options.seconds)
    finally:
        finish()
        postgres.stop()
        place.leave()
    print("PostgreSQL     stopped; no process is left behind")


def _run(postgres: PostgresServer, listener: socket, seconds: float | None) -> None:
    simulator = Simulator(latency=_LATENCY)
    isolate(_variables(postgres, simulator))
    print(f"PostgreSQL     process {postgres.pid}, port {postgres.port}, data in {postgres.folder}")
    print(f"AI providers   simulated on port {simulator.port}: {', '.join(_KEYS)}")
    print("workload       orders and reports in the database, questions to the AI services")
    print("settings       the defaults, but", *(f"{k}={v}" for k, v in _HASTE.items()))
    # Built from the settings, so it must not be imported before they are made.
    from .performance import Performance  # noqa: PLC0415

    garbage.settle()
    asyncio.run(Performance(postgres, simulator).run(listener, seconds))


def _variables(postgres: PostgresServer, simulator: Simulator) -> dict[str, str]:
    addresses = {
        f"AI_{name.upper()}_BASE_URL": address for name, address in simulator.base_urls.items()
    }
    keys = dict.fromkeys(_KEYS.values(), "demo-key")
    # The server has no TLS; asked for it, asyncpg leaves a complaint when Ctrl-C cuts the question.
    url = f"{postgres.url()}?ssl=disable"
    return {"DATABASE_URL": url, **addresses, **keys, **_HASTE}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description="Runs KOO with PostgreSQL, simulated AI providers and a small workload.",
    )
    parser.add_argument(
        "--port", type=port_number, default=8000, help="port of the page, 0 for any (%(default)s)"
    )
    parser.add_argument(
        "--seconds", type=_seconds, help="stop after so many seconds, with a summary"
    )
    return parser


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError("must be a number above 0")
    return seconds
