"""An answer that comes piece by piece, as whoever asked for it sees it.

async for text in stream: ...     the pieces; at the end stream.completion
before the first piece            attempts and fallbacks, of which nothing is seen
after it                          an error, whose ``partial`` is what had come
break, aclose(), cancelled        given up: permits settled, money debited
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import NamedTuple, Self

from ..provider import Completion, Heard

__all__ = ["AIStream", "Telling", "Times"]


class Times(NamedTuple):
    """How long a stream may take, in seconds; None: as the service's settings say.

    *timeout* is for the whole, *first_token* until its first text (None: no sooner than
    the whole), *idle* each gap between two pieces.
    """

    timeout: float | None = None
    first_token: float | None = None
    idle: float | None = None

    def until_text(self, default: float) -> float:
        """The seconds until there must be a text; *default* if none are set."""
        return min(
            (one for one in (self.timeout, self.first_token) if one is not None), default=default
        )


@dataclass(slots=True)
class Telling:
    """Who answers, and what has come: shared by a stream and those who tell it.

    Not the stream itself: that must be collected as soon as it is forgotten, and would
    not be if its own generator held it.
    """

    service: str
    model: str
    heard: Heard = field(default_factory=Heard)
    completion: Completion | None = None

    def begin(self, service: str, model: str) -> None:
        """Begin anew, with *service*."""
        self.service, self.model, self.heard = service, model, Heard()


class AIStream(AsyncIterator[str]):
    """The text of an answer as it comes. Iterate over it once; nothing is sent before.

    Leave it early with ``aclose()`` or ``async with``; one that is forgotten is given up
    as soon as it is collected.
    """

    def __init__(self, telling: Telling, pieces: AsyncGenerator[str, None]) -> None:
        self._telling = telling
        self._pieces = pieces

    @property
    def service(self) -> str:
        """The name of the service that answers; of the last one asked, if none does."""
        return self._telling.service

    @property
    def model(self) -> str:
        """The model that answers."""
        return self._telling.model

    @property
    def text(self) -> str:
        """All that has come so far."""
        return self._telling.heard.text

    @property
    def completion(self) -> Completion | None:
        """The whole answer with its usage, once it has ended well."""
        return self._telling.completion

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        return await anext(self._pieces)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Give up what is still to come; nothing happens if it is over."""
        await self._pieces.aclose()
