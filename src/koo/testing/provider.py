"""An AI provider that answers by a script.

request 1 --> line 1 --> text or Completion: the answer; exception: raised; After: later
request n --> line n ... and when the script has ended, ``then``

Asked for a stream, it says a text word by word, and Pieces as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from ..ai import Completion, Heard, Question, Request, Usage
from ..resilience import SYSTEM_CLOCK, Clock

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

__all__ = ["After", "Line", "Pieces", "ScriptedProvider"]

#: What an answer used unless its line says otherwise.
USAGE: Final = Usage(10, 5)


@dataclass(frozen=True, slots=True)
class After:
    """*line*, said only after *seconds*; also one piece of an answer."""

    seconds: float
    line: str | Completion | Exception | Pieces


class Pieces:
    """An answer in these pieces. An exception among them ends it; *usage* None is unknown."""

    def __init__(self, *pieces: str | Exception | After, usage: Usage | None = USAGE) -> None:
        self.pieces = pieces
        self.usage = usage


Line: TypeAlias = str | Completion | Exception | After | Pieces


class ScriptedProvider:
    """A ``Provider`` without a network; it remembers the ``requests`` that it was sent.

    *then* is said when the script has ended; without it that is an AssertionError. *models* is
    what a check is told: names, an exception to raise, or None for a vendor without a list;
    ``checks_total`` counts how often it was asked. *on_send* is called with each request.
    """

    def __init__(
        self,
        *script: Line,
        then: Line | None = None,
        models: tuple[str, ...] | Exception | None = ("scripted",),
        on_send: Callable[[Request], object] = id,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.requests: list[Request] = []
        self.checks_total = 0
        self.closed_total = 0
        self.resets_total = 0
        self.models = models
        self._script = list(script)
        self._then = then
        self._on_send = on_send
        self._clock = clock

    @property
    def prompts(self) -> list[str]:
        """The texts that it was asked, in order."""
        return [request.question.prompt.text for request in self.requests]

    def prepare(self, question: Question) -> Request:
        """A request whose body is the prompt's text."""
        body = question.prompt.text.encode()
        return Request(question, "/scripted", body, len(body))

    async def complete(self, request: Request) -> Completion:
        """The next line."""
        *_, whole = [item async for item in self.stream(request, Heard())]
        assert isinstance(whole, Completion)
        return whole

    async def stream(
        self, request: Request, heard: Heard
    ) -> AsyncGenerator[str | Completion, None]:
        """The next line, piece by piece."""
        self.requests.append(request)
        self._on_send(request)
        line = await self._said(self._next_line())
        for piece in _pieces(line):
            text = await self._said(piece)
            heard.pieces.append(str(text))
            heard.at_least = Usage(1, 1)
            yield str(text)
        if isinstance(line, Completion):
            yield line
            return
        usage = line.usage if isinstance(line, Pieces) else USAGE
        yield Completion(heard.text, request.question.model, "stop", usage)

    async def list_models(self) -> tuple[str, ...] | None:
        """What ``models`` says."""
        self.checks_total += 1
        if isinstance(self.models, Exception):
            raise self.models
        return self.models

    def reset(self) -> None:
        """Nothing to forget; counted."""
        self.resets_total += 1

    async def close(self) -> None:
        """Nothing to let go; counted."""
        self.closed_total += 1

    async def _said(self, line: Line) -> str | Completion | Pieces:
        if isinstance(line, After):
            await self._clock.sleep(line.seconds)
            line = line.line
        if isinstance(line, Exception):
            raise line
        assert not isinstance(line, After), "ScriptedProvider: one After inside another"
        return line

    def _next_line(self) -> Line:
        if self._script:
            return self._script.pop(0)
        assert self._then is not None, "ScriptedProvider: the script has ended; give it a `then`"
        return self._then


def _pieces(line: str | Completion | Pieces) -> Iterator[str | Exception | After]:
    if isinstance(line, Pieces):
        yield from line.pieces
        return
    text = line.text if isinstance(line, Completion) else line
    first, *others = text.split(" ")
    yield from filter(None, (first, *(f" {word}" for word in others)))
