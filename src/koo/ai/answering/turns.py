"""From one service to the next, until an answer will do.

    service 1 --an answer that will do----------------> the answer
        |  an error or an answer worth another service
        v
    service 2 --an answer that will do----------------> the answer ...
        |
        v  the last answer that came, if one did; else the last error, which names those before

Each service has an equal share of the time that is left, and pays from its own budget.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from ...errors import ExternalServiceError, InvalidRequestError
from ...resilience import Clock
from ..asking import Question
from .response import Response

__all__ = ["Worth", "ask_in_turn", "is_worth_another", "last_of"]

#: Whether another service shall be asked after that error or answer.
Worth: TypeAlias = Callable[[ExternalServiceError | Response], bool]


class Answerer(Protocol):
    """A service, as far as it answers in one piece."""

    async def answer(self, question: Question, timeout: float | None) -> Response:
        """Its answer to *question* within *timeout* seconds."""
        ...


def is_worth_another(found: ExternalServiceError | Response) -> bool:
    """Every error is, but that of a request which is wrong wherever it is sent."""
    if isinstance(found, InvalidRequestError):
        return found.answerable_elsewhere
    return isinstance(found, ExternalServiceError)


async def ask_in_turn(
    parts: Sequence[tuple[Answerer, Question]], worth: Worth, *, total: float, clock: Clock
) -> Response:
    """The first answer of *parts* that is not *worth* another, all within *total* seconds."""
    began = clock.monotonic()
    failed: list[ExternalServiceError] = []
    kept: Response | None = None
    for place, (service, question) in enumerate(parts):
        left = total - (clock.monotonic() - began)
        if place and left <= 0:
            break
        try:
            kept = await service.answer(question, left / (len(parts) - place))
        except ExternalServiceError as error:
            failed.append(error)
            if not worth(error):
                break
        else:
            if not worth(kept):
                break
    if kept is not None:
        return kept
    raise last_of(failed)


def last_of(failed: Sequence[ExternalServiceError]) -> ExternalServiceError:
    """The last one, with a note of each before it."""
    *earlier, last = failed
    for error in earlier:
        last.add_note(f"before it, {error}")
    return last
