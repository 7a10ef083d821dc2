"""What a token's row says once a fence has been set in the way of its COMMIT.

    the token, in the way --> COMMITTED
    nothing ----------------> not yet known: ask again
    the fence itself -------> ABSENT, if no token can have gone meanwhile
                                |
                                +--the table's mark has gone --> FORGOTTEN
                                +--it was too long ago --------> UNKNOWN

The mark is a row that no cleaning takes: whoever empties the table, or puts another in its place,
takes it away with the tokens. How long ago the COMMIT was sent, the token tells by the wall clock:
a machine that was suspended together with its monotonic clock has slept through the cleaning of
others.
"""

from __future__ import annotations

from secrets import token_hex
from typing import Final

from sqlalchemy import TextClause
from sqlalchemy.ext.asyncio import AsyncConnection

from ...resilience import Clock
from ..scope import Fate

__all__ = ["FIRST_MARK", "KEPT", "fate_by", "new_mark", "new_token"]

#: How long a token is kept: the same for all who clean one table.
KEPT: Final = 3600.0
# A token is dated by the beginning of its transaction, which may be long before its COMMIT.
_SURE: Final = KEPT / 2
_TIME_DIGITS: Final = 12
#: Later than the time of any token.
FIRST_MARK: Final = "f" * _TIME_DIGITS


def new_token(clock: Clock) -> str:
    """32 hexadecimal digits that nobody else draws, in the order of their time.

    In order, because a database writes neighbours together. Not of the random numbers that
    tests may choose: two that are alike would be taken for one transaction.
    """
    return f"{int(clock.time() * 1000):0{_TIME_DIGITS}x}{token_hex(10)}"


def new_mark() -> str:
    """32 hexadecimal digits for the row by which a table is known."""
    return f"{FIRST_MARK}{token_hex(10)}"


async def fate_by(
    connection: AsyncConnection, look: TextClause, token: str, *, mark: str, clock: Clock
) -> Fate | None:
    """What *look* says of *token*, whose fence is set, in the table that was known by *mark*."""
    found = (await connection.execute(look, {"token": token, "mark": mark})).one_or_none()
    if found is None:
        return None
    is_fenced, is_marked = found
    if not is_fenced:
        return Fate.COMMITTED
    if not is_marked:
        return Fate.FORGOTTEN
    age = clock.time() - int(token[:_TIME_DIGITS], 16) / 1000
    return Fate.ABSENT if age < _SURE else Fate.UNKNOWN
