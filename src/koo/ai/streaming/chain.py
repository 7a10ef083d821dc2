"""From one service to the next, as long as nobody has seen anything.

    service 1 --text--------------> the answer; what fails now is told, never mended
        |  fails before its first
        v
    service 2 --text--------------> the answer ...
        |
        v  the last one's error, which names those before it

Each service has an equal share of the time that is left until the first text.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Protocol

from ...errors import ExternalServiceError
from ...resilience import Clock
from ..answering import Worth, last_of
from ..asking import Question
from .answers import Telling, Times

__all__ = ["Part", "Teller", "relay"]


class Teller(Protocol):
    """A service, as far as it answers in pieces."""

    def tell(self, telling: Telling, question: Question, times: Times) -> AsyncGenerator[str, None]:
        """The pieces of its answer to *question*."""
        ...


#: A service, and what it is asked.
Part = tuple[Teller, Question]


async def relay(
    telling: Telling, parts: Sequence[Part], times: Times, *, worth: Worth, clock: Clock
) -> AsyncGenerator[str, None]:
    """The pieces of the first of *parts* that gives one, all within the timeout of *times*.

    After an error that is not *worth* another service nobody else is asked.
    """
    total = times.timeout or 0.0
    began = clock.monotonic()
    failed: list[ExternalServiceError] = []
    for place, (service, question) in enumerate(parts):
        spent = clock.monotonic() - began
        first = (min(times.first_token or total, total) - spent) / (len(parts) - place)
        if failed and first <= 0:
            break
        share = Times(total - spent, first, times.idle)
        try:
            async with aclosing(service.tell(telling, question, share)) as pieces:
                async for piece in pieces:
                    yield piece
        except ExternalServiceError as error:
            if telling.heard.pieces or not worth(error):
                raise
            failed.append(error)
        else:
            return
    raise last_of(failed)
