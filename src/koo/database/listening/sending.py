"""What is sent to the server: in time, counted, and known to its transaction.

statement, fetch --> at most timeout, then it is torn off: StatementTimedOut
COMMIT, ROLLBACK --> at most attempt_timeout, then as well

The dialect's own methods are wrapped, because SQLAlchemy's events for them make each
connection build its listeners anew: that costs as much as all of this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy.engine import Dialect, ExecutionContext
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.pool import PoolProxiedConnection

from ...resilience import Clock, Histogram
from ..config import DatabaseConfig
from ..drivers import abort
from ..drivers.deadlined import Deadlined
from ..pool import scope_of
from ..verdicts import StatementTimedOut

__all__ = ["Sending"]

T = TypeVar("T")


class Sending:
    """What a dialect does on its connections, bounded by *config* and recorded."""

    def __init__(
        self, dialect: Dialect, config: DatabaseConfig, clock: Clock, response_time: Histogram
    ) -> None:
        self._commit = dialect.do_commit
        self._rollback = dialect.do_rollback
        self._config = config
        self._statements: Deadlined[Any] = Deadlined(config.timeout, abort)
        self._endings: Deadlined[Any] = Deadlined(config.attempt_timeout, abort)
        self._now = clock.monotonic
        self._response_time = response_time

    def execute(
        self,
        cursor: DBAPICursor,
        statement: str,
        parameters: Sequence[Any],
        context: ExecutionContext,
    ) -> None:
        """Send a statement."""
        self._answered(context, cursor.execute, statement, parameters)

    def execute_many(
        self,
        cursor: DBAPICursor,
        statement: str,
        parameters: Sequence[Any],
        context: ExecutionContext,
    ) -> None:
        """Send a statement with many sets of parameters."""
        self._answered(context, cursor.executemany, statement, parameters)

    def execute_plain(self, cursor: DBAPICursor, statement: str, context: ExecutionContext) -> None:
        """Send a statement without parameters."""
        self._answered(context, cursor.execute, statement)

    def commit(self, connection: PoolProxiedConnection) -> None:
        """Send COMMIT: the one place from which it is."""
        scope = scope_of(connection)
        if scope is not None and not scope.readonly:
            scope.committing = True
        try:
            self._endings.run(connection.driver_connection, self._commit, connection)
        except TimeoutError as error:
            seconds = self._config.attempt_timeout
            raise StatementTimedOut(f"database: no answer to COMMIT in {seconds:g} s") from error

    def rollback(self, connection: PoolProxiedConnection) -> None:
        """Send ROLLBACK."""
        self._endings.run(connection.driver_connection, self._rollback, connection)

    def _answered(self, context: ExecutionContext, work: Callable[..., Any], *args: Any) -> None:  # noqa: ANN401
        connection = context.root_connection.connection
        started = self._now()
        self.in_time(connection.driver_connection, work, *args)
        self._response_time.record(self._now() - started)
        scope = scope_of(connection)
        if scope is not None:
            scope.note_answer()
        if context.cursor.server_side:
            context.cursor = _Stream(context.cursor, connection.driver_connection, self)

    def in_time(self, driver_connection: Any, work: Callable[..., T], *args: Any) -> T:  # noqa: ANN401
        """What *work* returns. Raises StatementTimedOut, and tears its connection off."""
        try:
            return self._statements.run(driver_connection, work, *args)
        except TimeoutError as error:
            raise StatementTimedOut(
                f"database: no answer to a statement in {self._config.timeout:g} s;"
                " make it cheaper, or allow more time"
            ) from error


class _Stream:
    """A cursor whose rows are still at the server; each fetch is in time."""

    def __init__(self, cursor: Any, driver_connection: Any, sending: Sending) -> None:  # noqa: ANN401
        self._cursor = cursor
        self._driver_connection = driver_connection
        self._sending = sending

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        found = getattr(self._cursor, name)
        return self._bounded(found) if name.startswith("fetch") else found

    def _bounded(self, fetch: Callable[..., T]) -> Callable[..., T]:
        def fetch_in_time(*args: Any) -> T:  # noqa: ANN401
            return self._sending.in_time(self._driver_connection, fetch, *args)

        return fetch_in_time
