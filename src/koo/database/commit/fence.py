"""What a token's row says once a fence has been set in the way of its COMMIT.

    the fence itself -------> ABSENT, unless the token may have been cleaned away meanwhile
    the token, in the way --> COMMITTED
    nothing ----------------> not yet known: ask again

How long ago the COMMIT was sent, the token tells by the wall clock: a machine that was suspended
together with its monotonic clock has slept through the cleaning of others.
"""

from __future__ import annotations

from secrets import token_hex
from typing import Final

from sqlalchemy import TextClause
from sqlalchemy.ext.asyncio import AsyncConnection

from ...resilience import Clock
from ..scope import Fate

__all__ = ["fate_by", "new_token"]

_TIME_DIGITS: Final = 12
# A token is dated by the beginning of its transaction, which may be long before its COMMIT.
_SHARE_THAT_IS_SURE: Final = 0.5


def new_token(clock: Clock) -> str:
    """32 hexadecimal digits that nobody else draws, in the order of their time.

    In order, because a database writes neighbours together. Not of the random numbers that
    tests may choose: two that are alike would be taken for one transaction.
    """
    return f"{int(clock.time() * 1000):0{_TIME_DIGITS}x}{token_hex(10)}"


async def fate_by(
    connection: AsyncConnection, look: TextClause, token: str, *, kept: float, clock: Clock
) -> Fate | None:
    """What *look* says of *token*, whose row is kept for *kept* seconds and whose fence is set."""
    fenced = (await connection.execute(look, {"token": token})).scalar_one_or_none()
    if fenced is None:
        return None
    if not fenced:
        return Fate.COMMITTED
    age = clock.time() - int(token[:_TIME_DIGITS], 16) / 1000
    return Fate.ABSENT if age < kept * _SHARE_THAT_IS_SURE else Fate.UNKNOWN
