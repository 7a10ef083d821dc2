"""Runs the application: ``scripts/serve [--host H] [--port N]``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from core import garbage
from core.config import get_settings
from core.events import log_lines
from core.signals import end_quietly

from .assembly import access_of, assemble
from .server import address_of, announce, listen, make_server, port_number

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGINT or SIGTERM; exit code 2 and one sentence for what can't work."""
    end_quietly()
    options = _parser().parse_args(arguments)
    try:
        access = access_of(options.host)
        listener = listen(options.host, options.port)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"serve: {error}\n")
        raise SystemExit(2) from None
    address = address_of(options.host, listener)
    app = assemble(access, host=options.host, on_ready=lambda _: announce(address, access))
    garbage.settle()
    settings = get_settings()
    server = make_server(
        app, delay=settings.shutdown_delay, grace=settings.shutdown_grace, lines=log_lines()
    )
    server.run(sockets=[listener])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/serve",
        description="Runs the KOO application with the settings of .env and the environment.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument(
        "--port", type=port_number, default=8000, help="port, 0 for any (%(default)s)"
    )
    return parser
