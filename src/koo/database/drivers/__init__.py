"""What is particular to a driver: how to see that its connection is dead, and how to end it."""

from __future__ import annotations

__all__ = ["abort", "name_of"]


def name_of(connection: object) -> str:
    """The package that *connection* comes from, also if its class is a subclass made elsewhere."""
    names = [kind.__module__.partition(".")[0] for kind in type(connection).__mro__]
    return next((name for name in names if name not in {"koo", "builtins"}), "")


def abort(connection: object) -> None:
    """Tear a driver's connection off without a word to the server, and without waiting."""
    match name_of(connection):
        case "asyncpg":
            connection.terminate()  # type: ignore[attr-defined]
        case "psycopg":
            connection.pgconn.finish()  # type: ignore[attr-defined]
        case "asyncmy":
            connection.close()  # type: ignore[attr-defined]
