"""What an AI provider is asked, what it answers, and the protocol of one.

    Question --prepare--> Request --complete--> Completion(text, finish, usage)
                                 +--stream----> text, text, ... Completion
                                                or an ExternalServiceError

A provider knows one vendor's wire format and nothing of policies: it sends
once. Its request says how many input tokens can be billed for it at most.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias

from ..values import quickly_made
from .asking import Message, Part, Question, ToolCall, document_of, said
from .pacing import Told

__all__ = ["NOTHING", "Completion", "Heard", "Provider", "Request", "Terms", "Usage"]

Terms: TypeAlias = tuple[tuple[str, str], ...]


@quickly_made
@dataclass(frozen=True, slots=True)
class Usage:
    """What a request used, as the vendor counted it.

    *input_tokens* include what was cached, *output_tokens* include hidden
    reasoning. *parts* break them down, or count what is not tokens, under the
    names of the price table (``cache_read_tokens``, ``web_searches``, ...).
    *nanousd* is what it costs, None if the vendor did not say and nobody has
    priced it yet; *is_cost_told*: it is the vendor's own word, and not of our
    prices. *terms* are those that make another price than the usual one, as the
    vendor calls them: ``(("service_tier", "priority"),)``.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    parts: tuple[tuple[str, int], ...] = ()
    nanousd: int | None = None
    terms: Terms = ()
    is_cost_told: bool = False

    def __post_init__(self) -> None:
        """Refuse counts below nothing: they would lower a bill."""
        is_negative = self.input_tokens < 0 or self.output_tokens < 0 or (self.nanousd or 0) < 0
        if is_negative or (self.parts and any(count < 0 for _, count in self.parts)):
            raise ValueError("Usage: a count is negative; treat the usage as unknown")

    @property
    def tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens


NOTHING: Final = Usage(nanousd=0)


@quickly_made
@dataclass(frozen=True, slots=True)
class Completion:
    """One answer: its *text*, why it ended (*finish*), its *usage* (None: unknown).

    *told* is what its headers say of the vendor's limits, *parts* are all that it
    said in its order, if it was more than the text, *raw* is the vendor's own document (of a
    stream as it would have come whole), numbers with a point as Decimal.
    """

    text: str
    model: str
    finish: str
    usage: Usage | None = None
    request_id: str | None = None
    told: Told | None = None
    parts: tuple[Part, ...] = ()
    raw: object = field(default=None, repr=False, compare=False)

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """What it asks to be called."""
        return tuple(part for part in self.parts if isinstance(part, ToolCall))

    @property
    def document(self) -> Any:  # noqa: ANN401 - JSON can be anything
        """The JSON that its text is, as a *schema* wants it. ValueError if it is none."""
        return document_of(self.text)

    @property
    def message(self) -> Message:
        """It as what the model said, to go on with. ValueError if it said nothing."""
        return said(self.text, self.parts)


@dataclass(slots=True)
class Heard:
    """What one attempt at a streamed answer has told so far, however it ends.

    *at_least* is a lower bound of its usage, None while nothing is known.
    """

    pieces: list[str] = field(default_factory=list)
    at_least: Usage | None = None

    @property
    def text(self) -> str:
        """All that has come."""
        return "".join(self.pieces)


@quickly_made
@dataclass(frozen=True, slots=True)
class Request:
    """A question in its vendor's words, ready to be sent as often as needed.

    *input_tokens* is the most that can be billed as input, but for what is *unbounded*.
    *key* is the place of the key to send it with, if there are several; None: whose turn it is.
    """

    question: Question
    path: str
    body: bytes
    input_tokens: int
    unbounded: tuple[str, ...] = ()
    key: int | None = None


class Provider(Protocol):
    """One vendor, spoken to. Raises only :class:`~koo.errors.ExternalServiceError`."""

    def prepare(self, question: Question) -> Request:
        """The request for *question*; InvalidRequestError if the wire can't carry it."""
        ...

    async def complete(self, request: Request) -> Completion:
        """The answer to *request*, which is sent once."""
        ...

    def stream(self, request: Request, heard: Heard) -> AsyncGenerator[str | Completion, None]:
        """The pieces of the answer to *request*, and the whole at the end.

        A piece is empty if it is not one of the text, but of a call: the answer goes on.

        *heard* is kept up to date. Without the vendor's own word that the answer is
        whole, it ends with StreamTruncatedError.
        """
        ...

    async def list_models(self) -> tuple[str, ...] | None:
        """The names of the vendor's models, unbilled; None if it has no such list."""
        ...

    def reset(self) -> None:
        """Forget what it has learned of its keys: a person says that they are good."""
        ...

    async def close(self) -> None:
        """Let go of the connections of the running event loop."""
        ...
