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

from ...errors import ExternalServiceError, InvalidRequestError
from ...resilience import Clock
from ..provider import Prompt
from .answers import Telling, Times

__all__ = ["Part", "Teller", "relay"]


class Teller(Protocol):
    """A service, as far as it answers in pieces."""

    def tell(self, telling: Telling, prompt: Prompt, times: Times) -> AsyncGenerator[str, None]:
        """The pieces of its answer to *prompt*."""
        ...


#: A service, and the prompt as it is put to it.
Part = tuple[Teller, Prompt]


async def relay(
    telling: Telling, parts: Sequence[Part], times: Times, *, total: float, clock: Clock
) -> AsyncGenerator[str, None]:
    """The pieces of the first of *parts* that gives one, all within *total* seconds."""
    began = clock.monotonic()
    failed: list[ExternalServiceError] = []
    for place, (service, prompt) in enumerate(parts):
        spent = clock.monotonic() - began
        first = (min(times.first or total, total) - spent) / (len(parts) - place)
        if failed and first <= 0:
            break
        share = Times(total - spent, first, times.gap)
        try:
            async with aclosing(service.tell(telling, prompt, share)) as pieces:
                async for piece in pieces:
                    yield piece
        except ExternalServiceError as error:
            if telling.heard.pieces or isinstance(error, InvalidRequestError):
                raise
            failed.append(error)
        else:
            return
    raise _last_of(failed)


def _last_of(failed: Sequence[ExternalServiceError]) -> ExternalServiceError:
    *earlier, last = failed
    for error in earlier:
        last.add_note(f"before it, {error}")
    return last
