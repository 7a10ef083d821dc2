"""What is sent to the server: in time, counted, and known to its transaction.

statement, fetch, close of a stream --> at most timeout, then it is torn off: StatementTimedOut
COMMIT, ROLLBACK --> at most attempt_timeout, then as well; a lost COMMIT is found out
COMMIT, and the connection is known to have ended --> not sent, so that nothing is unknown
COMMIT, and the database has undone it already -> not sent: it would commit what came after that
COMMIT in words after a failed statement ------> not sent: PostgreSQL's ROLLBACK would look like it
COMMIT, and asyncmy has rows that nobody reads -----> at most timeout for them, and sent only then
ROLLBACK, and it has ----> at most a second for them, then it is torn off, and that is the ROLLBACK

The dialect's own methods are wrapped, because SQLAlchemy's events for them make each
connection build its listeners anew: that costs as much as all of this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, Protocol, TypeAlias, TypeVar, cast

from sqlalchemy.engine import Dialect, ExecutionContext
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.pool import PoolProxiedConnection

from ..commit import Certainty
from ..drivers import Driver, abort, driver
from ..drivers.deadlined import Deadlined
from ..pool import NEVER, Slot, Terms, slot_if_any
from ..scope import Scope, Words, of_mysql, of_one, of_several
from ..verdicts import RestTimedOut, StatementTimedOut

__all__ = ["MysqlDriver", "Sending", "late_statement"]

T = TypeVar("T")

_Send: TypeAlias = Callable[..., object]
_End: TypeAlias = Callable[[PoolProxiedConnection], None]

# What runs, and on which connection: SQLAlchemy's own, if it is closed by then, would dial again.
_Statement: TypeAlias = tuple[ExecutionContext, Any]

# With nothing to lose, a new connection is cheaper than what takes longer.
_SOON: Final = 1.0

#: What tells of a slot whether a COMMIT or ROLLBACK is sent; the others send them always.
_IS_BEGUN: Final[dict[str, Callable[[Any], bool]]] = {
    "asyncpg": lambda slot: slot.connection._transaction is not None,
    "psycopg": lambda slot: slot.driver.is_in_transaction,
}

#: Whose message may hold several statements; the others refuse them.
_SEVERAL_AT_ONCE: Final = {"asyncmy": of_mysql, "psycopg": of_several}


class MysqlDriver(Driver, Protocol):
    """What only asyncmy needs."""

    def alone(self, work: Callable[..., None], /) -> Callable[..., None]:
        """*work* on a connection, refused while another task's statement is on its way there."""
        ...

    def read_rest(self, connection: PoolProxiedConnection, /) -> None:
        """Read the rows that nobody wants any more; blocks the greenlet."""
        ...


class Sending:
    """What a dialect does on its connections, bounded and recorded as *terms* say."""

    def __init__(self, dialect: Dialect, terms: Terms, certainty: Certainty) -> None:
        config = terms.config
        self._driver = driver(dialect.driver)
        self._commit: _End = dialect.do_commit
        self._rollback: _End = dialect.do_rollback
        self._leaves_rest = dialect.driver == "asyncmy"
        if self._leaves_rest:
            theirs = cast("MysqlDriver", self._driver)
            self._commit, self._rollback = theirs.alone(self._commit), theirs.alone(self._rollback)
            self._read_rest = theirs.alone(theirs.read_rest)
        self._is_begun = _IS_BEGUN.get(dialect.driver, lambda _: True)
        self._may_commit_unasked = dialect.driver in _SEVERAL_AT_ONCE
        self._words_of = _SEVERAL_AT_ONCE.get(dialect.driver, of_one)
        self._certainty = certainty
        self._now = now = terms.clock.monotonic
        self._statements = Deadlined[_Statement](
            config.timeout, _tear_off, now, partial(late_statement, config.timeout)
        )
        self._rests = Deadlined[PoolProxiedConnection](
            config.timeout, _abort, now, partial(_late_rest, config.timeout)
        )
        soon = min(_SOON, config.attempt_timeout)
        self._remains = Deadlined[PoolProxiedConnection](
            soon, _abort, now, partial(_late_rest, soon)
        )
        self._commits = Deadlined[PoolProxiedConnection](
            config.attempt_timeout, _abort, now, partial(_late_commit, config.attempt_timeout)
        )
        self._rollbacks = Deadlined[PoolProxiedConnection](
            config.attempt_timeout, _abort, now, TimeoutError
        )
        self._response_time = terms.counts.response_time

    def execute(
        self,
        cursor: DBAPICursor,
        statement: str,
        parameters: Sequence[Any],
        context: ExecutionContext,
    ) -> None:
        """Send a statement."""
        self._ask(context, statement, cursor.execute, statement, parameters)

    def execute_many(
        self,
        cursor: DBAPICursor,
        statement: str,
        parameters: Sequence[Any],
        context: ExecutionContext,
    ) -> None:
        """Send a statement with many sets of parameters."""
        self._ask(context, statement, cursor.executemany, statement, parameters)

    def execute_plain(self, cursor: DBAPICursor, statement: str, context: ExecutionContext) -> None:
        """Send a statement without parameters."""
        self._ask(context, statement, cursor.execute, statement)

    def _ask(
        self, context: ExecutionContext, statement: str, work: Callable[..., object], *args: object
    ) -> None:
        began, connection = self._now(), context.root_connection.connection
        slot, item = slot_if_any(connection), (context, connection.dbapi_connection)
        scope = None if slot is None else slot.scope
        words = None if scope is None else self._words_of(statement)
        send: _Send = self._statements.run
        if scope is not None and words is not None:
            send = self._noted(scope, words, connection)
        _wait(slot, send, item, began, work, *args)
        answered = self._now()
        taken = answered - began
        self._response_time.record(taken)
        if slot is not None:
            slot.hear(answered, taken)
        if scope is not None and words is not None:
            self._note_answer(scope, words, context, connection)
        if context.cursor.server_side:
            context.cursor = _Stream(context.cursor, partial(self._fetch, slot, item))

    def _fetch(self, slot: Slot | None, item: _Statement, *work: Any) -> Any:
        return _wait(slot, self._statements.run, item, self._now(), *work)

    def _noted(self, scope: Scope, words: Words, connection: PoolProxiedConnection) -> _Send:
        """What sends a message of these *words*, of which *scope* knows by now."""
        if scope.refuses(words):
            raise self._driver.undone()
        ends = scope.ends_by(words)
        scope.note_question(words)
        if not ends:
            return self._statements.run
        scope.note_end(words, connection.driver_connection)
        return partial(self._send_end, scope)

    def _send_end(self, scope: Scope, *question: Any) -> None:
        try:
            self._statements.run(*question)
            scope.note_commit()
        finally:
            scope.hear()

    def _note_answer(
        self,
        scope: Scope,
        words: Words,
        context: ExecutionContext,
        connection: PoolProxiedConnection,
    ) -> None:
        scope.note_answer(words)
        if self._may_commit_unasked and not context.cursor.server_side:
            theirs: Any = connection.driver_connection
            scope.note_transaction(is_open=theirs.is_in_transaction)
            if self._leaves_rest:
                # Asked for in words, or within what was called.
                scope.autocommits = theirs.commits_each

    def _end(
        self,
        slot: Slot | None,
        limit: Deadlined[PoolProxiedConnection],
        work: _End,
        connection: PoolProxiedConnection,
    ) -> None:
        """Send what *work* says, COMMIT or ROLLBACK; where nothing has begun nobody is heard."""
        is_sent = slot is not None and self._is_begun(slot)
        _wait(slot, limit.run, connection, self._now(), work, connection)
        if slot is not None and is_sent:
            slot.heard = self._now()

    def commit(self, connection: PoolProxiedConnection) -> None:
        """Send COMMIT: the one place from which it is.

        What comes of the ROLLBACK after a COMMIT that failed is no matter, whatever each driver
        makes of a connection that has perhaps gone: the COMMIT's own error is the one that counts.
        """
        slot = slot_if_any(connection)
        scope = None if slot is None else slot.scope
        try:
            if self._leaves_rest:
                # asyncmy would do so within COMMIT, and nobody knew whether that was sent.
                _wait(slot, self._rests.run, connection, self._now(), self._read_rest, connection)
            if slot is None or scope is None or scope.only_reads:
                self._end(slot, self._commits, self._commit, connection)
            else:
                self._commit_for(slot, scope, connection)
        except Exception:
            # SQLAlchemy takes a COMMIT that failed for an end, and would lend what is still open.
            with suppress(Exception):
                self.rollback(connection)
            raise
        finally:
            if scope is not None:
                scope.hear()

    def _commit_for(self, slot: Slot, scope: Scope, connection: PoolProxiedConnection) -> None:
        if scope.is_undone:
            raise self._driver.undone()
        trace = self._certainty.attend(connection, scope)
        # Asked after the witness, who may have waited for the server, and just before COMMIT.
        if scope.is_late:
            raise StatementTimedOut("database: no time is left for COMMIT; make it shorter")
        if slot.alarm() and slot.is_dead() and not scope.autocommits:
            raise ConnectionResetError("the connection had ended before COMMIT was sent")
        scope.commit_by(connection.driver_connection)
        try:
            self._end(slot, self._commits, self._commit, connection)
        except Exception as error:
            known = self._certainty.is_committed
            if trace is None or not known(error, connection, scope, trace):
                raise
            if connection.is_valid:
                connection.invalidate(error)
        # Here and not when SQLAlchemy tells of it: others are told as well, and may raise.
        scope.note_commit()

    def rollback(self, connection: PoolProxiedConnection) -> None:
        """Send ROLLBACK, unless it is known that nothing has begun."""
        # Asked for at each return. SQLAlchemy's adapter for asyncpg knows, and the others send.
        theirs = connection.dbapi_connection
        if getattr(theirs, "_transaction", theirs) is None:
            return
        if not self._leaves_rest or self._has_read_all(connection):
            slot = slot_if_any(connection)
            self._end(slot, self._rollbacks, self._rollback, connection)

    def _has_read_all(self, connection: PoolProxiedConnection) -> bool:
        """Whether little was left of a stream; else *connection* is gone, and all rolled back."""
        try:
            slot = slot_if_any(connection)
            _wait(slot, self._remains.run, connection, self._now(), self._read_rest, connection)
        except RestTimedOut as left:
            connection.invalidate(left)
            return False
        return True


class _Stream:
    """A cursor whose rows are still at the server; each *fetch* is in time, and so is its end."""

    def __init__(self, cursor: DBAPICursor, fetch: Callable[..., Any]) -> None:
        self._cursor = cursor
        self._fetch = fetch

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._cursor, name)
        return partial(self._fetch, found) if name.startswith(("fetch", "close")) else found

    def __iter__(self) -> Iterator[Any]:
        while (row := self._fetch(self._cursor.fetchone)) is not None:
            yield row


def _wait(slot: Slot | None, run: Callable[..., T], item: object, began: float, *work: Any) -> T:
    """What *run* makes of *work*, which begins at *began*; meanwhile *slot* waits for an answer."""
    if slot is None:
        return run(item, began, *work)
    slot.asked = began
    try:
        return run(item, began, *work)
    finally:
        slot.asked = NEVER


def _tear_off(statement: _Statement) -> None:
    _, connection = statement
    abort(connection.driver_connection)


def _abort(connection: PoolProxiedConnection) -> None:
    abort(connection.driver_connection)


def late_statement(seconds: float) -> StatementTimedOut:
    """What whoever waited *seconds* for an answer in vain gets."""
    words = "make it cheaper, or allow more time"
    return StatementTimedOut(f"database: no answer to a statement in {seconds:g} s; {words}")


def _late_rest(seconds: float) -> RestTimedOut:
    words = "nothing was committed; read it to its end, or ask for less"
    return RestTimedOut(f"database: the rest of a stream took longer than {seconds:g} s; {words}")


def _late_commit(seconds: float) -> StatementTimedOut:
    return StatementTimedOut(f"database: no answer to COMMIT in {seconds:g} s")
