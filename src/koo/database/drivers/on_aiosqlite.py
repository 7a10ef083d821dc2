"""aiosqlite: a statement in its thread can be interrupted, and nothing else."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

__all__ = ["abort", "arguments"]


def arguments(_limit: float) -> dict[str, Any]:
    """What to connect with: nothing of our own."""
    return {}


def abort(connection: Any) -> None:  # noqa: ANN401
    """Interrupt what *connection* is doing; it stays open, and what it did is undone."""
    # A coroutine that never waits, so that one step is all of it.
    with suppress(StopIteration, ValueError):
        connection.interrupt().send(None)
