"""Whether a transaction has committed whose COMMIT ended with an error.

error --the server said it-----> rolled back: no
  |
  +-----anything else----------> the connection is torn off, its witness asked
                                     |
                                     +--COMMITTED--> yes
                                     +--ABSENT-----> no, and the scope knows: all may be repeated
                                     +--FORGOTTEN, UNKNOWN--> nobody knows

trace --fresh connection--> judge --> COMMITTED, ABSENT
  ^                           +--may not be asked, or has gone --> FORGOTTEN
  +--backoff--- not yet, or no answer
                              |
                  time is over: UNKNOWN
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import partial
from sys import maxsize
from typing import Final

from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.pool import PoolProxiedConnection
from sqlalchemy.util import await_

from ...resilience import Backoff, Failure, Policy, RetryConfig
from ..drivers import abort
from ..pool import Terms
from ..scope import Fate, Scope, Trace
from ..theirs import Theirs
from ..verdicts import as_database_error, error_code, proves_rollback
from .choosing import Connect, Witnesses

__all__ = ["Certainty", "Resolver", "translated"]

#: No such function, table or schema, no right to use it; on MySQL the same, on SQLite the first.
_GONE: Final = {"42883", "42P01", "3F000", "42501", 1142, 1143, 1146, 1}
#: What such an error names if it is ours, and not that of a trigger which was deferred till COMMIT.
_OURS: Final = re.compile(
    "koo|commit_token"
    "|pg_(?:control_system|postmaster_start_time|current_wal_insert_lsn|walfile_name|xact_status"
    "|logical_emit_message)"
)

_AGAIN: Final = Failure(retryable=True, trips=False)
_RETRY: Final = RetryConfig(max_retries=maxsize, backoff=Backoff(base_delay=0.02, max_delay=0.5))


class _NotYet(Exception):
    """The transaction is still open."""


class Resolver:
    """Asks the witness of a lost COMMIT, by fresh connections from *connect*, until it knows.

    Or until the caller's deadline, or as long as a whole call may take.
    """

    def __init__(self, terms: Terms, connect: Connect) -> None:
        config = terms.config
        self._connect = connect
        self._policy = Policy(
            "database: lost COMMIT",
            classify=lambda _: _AGAIN,
            retry=_RETRY,
            retry_budget=None,
            timeout=config.timeout,
            attempt_timeout=min(config.check_timeout, config.timeout),
            clock=terms.clock,
            random=terms.random,
        )

    async def fate_of(self, trace: Trace) -> Fate:
        """What became of the transaction that left *trace*; UNKNOWN when the time is over."""
        try:
            return await self._policy.run(partial(self._ask, trace))
        except Exception:  # noqa: BLE001 - whatever it was, nobody knows
            return Fate.UNKNOWN

    async def _ask(self, trace: Trace) -> Fate:
        async with self._connect() as connection:
            fate = await _said_by(trace, connection)
        if fate is None:
            raise _NotYet
        return fate


async def _said_by(trace: Trace, connection: AsyncConnection) -> Fate | None:
    try:
        return await trace.judge(connection)
    except Exception as error:
        # Asked again, it would say the same until the time is over.
        if _is_gone(error if isinstance(error, DBAPIError) else as_database_error(error)):
            return Fate.FORGOTTEN
        raise


class Certainty:
    """What an engine of *dialect* does about COMMITs that are lost."""

    def __init__(self, dialect: Dialect, witnesses: Witnesses, resolver: Resolver) -> None:
        self._dialect = dialect
        self._witnesses = witnesses
        self._resolver = resolver

    def attend(self, connection: PoolProxiedConnection, scope: Scope) -> Trace | None:
        """Let the witness of *scope*, if it has one, be there at the COMMIT that follows."""
        if scope.witness is None or scope.autocommits:
            return None
        try:
            return scope.witness.attend(connection, scope)
        except Exception as error:
            self._learn(translated(error, self._dialect, connection), scope)
            raise

    def is_committed(
        self, error: Exception, connection: PoolProxiedConnection, scope: Scope, trace: Trace
    ) -> bool:
        """Whether *scope*, which left *trace*, has committed all the same; blocks the greenlet."""
        failed = translated(error, self._dialect, connection)
        if proves_rollback(failed):
            self._learn(failed, scope)
            return False
        abort(connection.driver_connection)
        with suppress(Exception):
            # Where the database lives in this process, tearing off does not end a transaction.
            connection.rollback()
        fate = await_(self._resolver.fate_of(trace))
        scope.is_absent = fate is Fate.ABSENT
        if fate is Fate.FORGOTTEN:
            self._witnesses.forget()
        return fate is Fate.COMMITTED

    def _learn(self, failed: Exception, scope: Scope) -> None:
        """If the witness itself has *failed* for good, look for one anew, and repeat it all."""
        if _is_gone(failed):
            self._witnesses.forget()
            scope.is_absent = True


def _is_gone(failed: Exception) -> bool:
    return error_code(failed) in _GONE and _OURS.search(str(failed)) is not None


def translated(error: Exception, dialect: Dialect, connection: Theirs) -> Exception:
    """*error*, from a driver's *connection*, as SQLAlchemy would raise it: it can be judged."""
    theirs = dialect.loaded_dbapi.Error
    if not isinstance(error, theirs):
        return error
    # Another task may have taken it away meanwhile, so that there is nothing to ask.
    lost = not getattr(connection, "is_valid", True) or dialect.is_disconnect(
        error, connection, None
    )
    return DBAPIError(None, None, error, connection_invalidated=lost)
