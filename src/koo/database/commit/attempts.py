"""One attempt of a function in a transaction, in time.

open --its time begins--> witness --> fn --> COMMIT sent ... answered ------> its value
                             |        |           |
                             +--late--+           +--late: its connection is torn off,
                                  |                |     and what it has done is found out
                        cut: StatementTimedOut <---+--it was fn's own, whose error comes first
                                  +--in line for another connection: PoolExhausted

The wait for the connection has a limit of its own: who ends there has not been failed by the
server, which has heard nothing. So has not who ends in the line where fn stands once more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Final, TypeVar, cast

from sqlalchemy.ext.asyncio import AsyncSession

from ...errors import Rejected
from ..drivers import abort
from ..scope import Scope
from ..verdicts import StatementTimedOut
from .choosing import Witnesses
from .sessions import commit_outcome_unknown

__all__ = ["attempt"]

T = TypeVar("T")

#: What the error of a COMMIT takes, at most, to the function that has sent it.
_MOMENT: Final = 0.025


async def attempt(
    fn: Callable[[AsyncSession], Awaitable[T]],
    scope: Scope,
    opening: AbstractAsyncContextManager[AsyncSession],
    *,
    witnesses: Witnesses,
    timeout: float,
) -> T:
    """What *fn* returns, run in the transaction that *opening* opens and commits.

    It is cut off *timeout* seconds after it has its connection; finding out what a lost COMMIT has
    done may take longer.
    """
    limit = asyncio.timeout(None)
    timer: asyncio.TimerHandle | None = None
    try:
        async with limit, opening as session:
            timer = asyncio.get_running_loop().call_later(timeout, _end, scope, limit)
            scope.witness = witnesses.known if scope.readonly else await witnesses.ready()
            scope.value = value = await fn(session)
    except TimeoutError as error:
        if not limit.expired():
            raise
        if scope.in_doubt:
            raise commit_outcome_unknown() from error
        if not scope.is_done:
            _blame_line(error)
            message = f"database: the transaction took longer than {timeout:g} s; make it shorter"
            raise StatementTimedOut(message) from error
        return cast("T", scope.value)
    finally:
        _stop(timer)
        scope.cut = None
    return value


def _blame_line(late: TimeoutError) -> None:
    """Raise what *late* was refused, if it waited for a connection that others held."""
    # The first releases of Python 3.11 name no cause.
    cut = late.__cause__ or late.__context__
    if cut is not None and isinstance(refusal := cut.__cause__, Rejected):
        cut.__cause__ = None
        raise refusal


def _stop(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()


def _end(scope: Scope, limit: asyncio.Timeout) -> None:
    if scope.sender is not None:
        # Who waits for the answer gets an error, and finds out what it means.
        scope.cut = partial(_cut, scope, limit, _MOMENT)
        abort(scope.sender)
    else:
        _cut(scope, limit, 0)


def _cut(scope: Scope, limit: asyncio.Timeout, seconds: float) -> None:
    # The cut comes later, be it by a turn of the loop, and must not meet a COMMIT.
    scope.is_late = True
    limit.reschedule(asyncio.get_running_loop().time() + seconds)
