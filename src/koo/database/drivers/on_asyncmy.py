"""asyncmy: closing is tearing off."""

from __future__ import annotations

from typing import Any

__all__ = ["abort", "arguments"]


def arguments(_limit: float) -> dict[str, Any]:
    """What to connect with: nothing of our own."""
    return {}


def abort(connection: Any) -> None:  # noqa: ANN401
    """Close *connection*'s socket without a word."""
    connection.close()
