"""A visitor may go away before there is anything to send; then nobody waits for the work.

work --ends first------------> what it came to
     --the visitor goes first-> cancelled, and waited for until it is settled -> VisitorGone
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request

__all__ = ["VisitorGone", "while_there"]

T = TypeVar("T")


class VisitorGone(Exception):
    """Nobody hears the answer any more."""


async def while_there(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What *work* comes to; VisitorGone if whoever sent *request*, whose body was read, goes."""
    # After the body nothing comes but the word that they have gone.
    working, going = asyncio.create_task(work), asyncio.create_task(_word_from(request))
    try:
        await asyncio.wait((working, going), return_when=asyncio.FIRST_COMPLETED)
    finally:
        going.cancel()
        working.cancel()
        await asyncio.wait((working, going))
    if working.cancelled():
        raise VisitorGone
    return working.result()


async def _word_from(request: Request) -> None:
    await request.receive()
