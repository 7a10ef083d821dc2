"""The way to a PostgreSQL server: straight, or through a pooler that changes what is behind it.

    first connection --> who answers is who greeted us --> straight: as SQLAlchemy does it
                   +---> somebody else: a pooler --------> dialed anew, as are all that follow,
                                                           on terms that need no fixed backend

A pooler invents the number that it greets with, for there is no backend yet; the question costs
one round trip in an engine's life. Whether it changes the backend after each transaction or
after each session can't be seen, so that the worse is assumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, cast

from sqlalchemy.engine import Dialect
from sqlalchemy.util import await_

from ..drivers import Driver, abort, driver
from ..theirs import Theirs

__all__ = ["Route"]


class _PostgresDriver(Driver, Protocol):
    async def is_straight(self, connection: Theirs, /) -> bool:
        """Whether the backend that answers is the one that has greeted us."""
        ...

    def through_pooler(self) -> dict[str, Any]:
        """What to connect with where each transaction may meet another backend."""
        ...


class Route:
    """How one engine's connections reach their server."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect: Theirs = dialect
        self._is_known = dialect.name != "postgresql"
        self._terms: dict[str, Any] = {}

    def connect(self, cargs: Sequence[Any], cparams: dict[str, Any]) -> Theirs:
        """A new connection, on the terms that its way needs; to be called in a greenlet."""
        connection = self._dialect.connect(*cargs, **{**cparams, **self._terms})
        if self._is_known:
            return connection
        try:
            self._learn(connection.driver_connection)
        except BaseException:
            abort(connection.driver_connection)
            raise
        if not self._terms:
            return connection
        connection.close()
        return self._dialect.connect(*cargs, **{**cparams, **self._terms})

    def _learn(self, connection: object) -> None:
        postgres = cast("_PostgresDriver", driver(self._dialect.driver))
        if not await_(postgres.is_straight(connection)):
            self._terms = postgres.through_pooler()
        self._is_known = True
