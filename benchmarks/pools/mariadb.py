"""A MariaDB of one's own, by the launcher of the tests; where it is not installed, none."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path

__all__ = ["mariadb"]

_LAUNCHERS = Path(__file__).parents[2] / "tests" / "database"


@asynccontextmanager
async def mariadb() -> AsyncIterator[int | None]:
    """The port of a new server; None where MariaDB is not installed."""
    sys.path.append(str(_LAUNCHERS))
    try:
        launchers = import_module("servers")
    finally:
        sys.path.remove(str(_LAUNCHERS))
    if not launchers.find("mariadbd"):
        yield None
        return
    server = await asyncio.to_thread(launchers.MariadbServer("--max-connections=500").__enter__)
    try:
        yield server.port
    finally:
        await asyncio.to_thread(server.__exit__)
