"""How each driver is made to let go at once.

    deadline, or nobody wants the answer any more
        |
        v
    abort(connection) --transport torn off--> whoever waits for it wakes with an error
        |
        +--in the background, bounded--> CancelRequest: the server, too, learns that it may stop

No driver does it by itself when the network is dark: asyncpg says a polite goodbye for two
seconds, psycopg waits ten for a cancellation to be confirmed, aiosqlite for the end of the
statement, or of its wait for a lock.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final, Protocol, cast

from ..theirs import Theirs

__all__ = ["SWALLOWED", "UNDONE", "Driver", "abort", "driver", "name_of"]

#: What is raised where PostgreSQL answers COMMIT with ROLLBACK, and drivers call it a success.
SWALLOWED: Final = (
    "database: nothing was committed, because a statement had failed and its error was caught;"
    " let it pass, or put the statement into session.begin_nested()"
)
#: What is raised for a COMMIT where MySQL or SQLite has undone the transaction by itself before.
UNDONE: Final = (
    "database: nothing was committed, because a statement had failed, the server had undone the"
    " whole transaction, and the error was caught; let it pass, so that all is repeated"
)

_HOMES: Final = {
    "asyncpg": ".on_asyncpg",
    "psycopg": ".on_psycopg",
    "aiosqlite": ".on_aiosqlite",
    "asyncmy": ".on_asyncmy",
}


class Driver(Protocol):
    """What koo needs of a driver beside what SQLAlchemy's dialect knows of it."""

    def arguments(self, limit: float, /) -> dict[str, Any]:
        """What to connect with: a cancellation takes effect at once.

        Where it costs nothing, no wait for the server is longer than *limit* seconds either.
        """
        ...

    def abort(self, connection: Theirs) -> None:
        """Tear *connection* off, now, without waiting for anybody."""
        ...

    def undone(self) -> Exception:
        """What is raised for a COMMIT that is not sent, because a failed statement has undone all.

        As SQLAlchemy knows it from this driver.
        """
        ...


def driver(name: str) -> Driver:
    """The driver that SQLAlchemy calls *name*."""
    return cast("Driver", import_module(_HOMES[name], __name__))


def abort(connection: object) -> None:
    """Tear a driver's connection off: whoever waits for it wakes with an error, at once.

    What the server is doing for it is cancelled in the background, if a loop is running.
    """
    if name := name_of(connection):
        driver(name).abort(connection)


def name_of(connection: object) -> str:
    """The package that *connection* comes from, also if its class is a subclass made elsewhere."""
    names = [kind.__module__.partition(".")[0] for kind in type(connection).__mro__]
    return next((name for name in names if name in _HOMES), "")
