"""What every vendor's wire format has in common: a question, an answer, a refusal, a limit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from ..faults import Fault, Strike
from .content import NOTHING_ELSE, Call, Carried, Unreadable

Document: TypeAlias = dict[str, Any]

CHARACTERS_PER_TOKEN = 4
WORDS_PER_EVENT = 4
PAGE = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for."""

    model: str
    prompt: str
    max_tokens: int
    streams: bool = False
    wants_usage: bool = False
    """OpenAI: whether the stream is to end with the usage."""
    stream_type: str = "text/event-stream"
    carried: Carried = NOTHING_ELSE
    """Pictures, tools and a schema."""


@dataclass(frozen=True, slots=True)
class Limit:
    """*remaining* of *most* are left; all of them again in *reset_after* seconds."""

    most: int
    remaining: int
    reset_after: float


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of the minute is left at the epoch second *now*, as the headers tell it."""

    now: float
    requests: Limit
    tokens: Limit

    def told(self) -> tuple[tuple[str, Limit], ...]:
        """Each limit under the name of what it limits."""
        return ("requests", self.requests), ("tokens", self.tokens)


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered, before it takes a vendor's form."""

    request_id: str
    model: str
    text: str
    input_tokens: int
    output_tokens: int
    created: float
    is_cut_off: bool = False
    """Whether ``max_tokens`` ended it."""
    is_refused: bool = False
    calls: tuple[Call, ...] = ()
    """What it asks to be called, instead of a text."""
    thinking: str = ""
    """What it thought before it said so."""
    thinking_tokens: int = 0
    """What of the output that was."""

    def pieces(self) -> list[str]:
        """The text in the pieces in which a stream brings it."""
        words = self.text.split(" ")
        spaced = [word if place == 0 else f" {word}" for place, word in enumerate(words)]
        step = WORDS_PER_EVENT
        return ["".join(spaced[i : i + step]) for i in range(0, len(spaced), step)]


@dataclass(frozen=True, slots=True)
class Wrong:
    """An error answer."""

    status: int
    document: Document | str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def content_type(self) -> str:
        """JSON, or a page as the machines in front of a vendor send it."""
        return "text/html" if isinstance(self.document, str) else "application/json"

    @property
    def body(self) -> bytes:
        """What goes over the wire."""
        if isinstance(self.document, str):
            return self.document.encode()
        return json.dumps(self.document).encode()


@dataclass(frozen=True, slots=True)
class Trouble:
    """What an error answer needs to know of its request."""

    strike: Strike
    request_id: str
    model: str
    detail: str
    """What INVALID_REQUEST complains about."""

    @property
    def fault(self) -> Fault:
        """What goes wrong."""
        return self.strike.fault

    @property
    def retry_after(self) -> float:
        """Seconds to wait."""
        return self.strike.retry_after


@dataclass(frozen=True, slots=True)
class Surface:
    """One vendor's words for one fault; *code* is empty where the vendor has none."""

    status: int
    type: str
    code: str
    message: str

    def says(self, trouble: Trouble) -> str:
        """The message about this request."""
        wait = seconds(trouble.retry_after)
        return self.message.format(model=trouble.model, detail=trouble.detail, wait=wait)


class Dialect(Protocol):
    """One vendor's wire format."""

    base_path: str
    """What the official SDK's base URL ends with."""
    completion_paths: tuple[str, ...]
    """Below the base path; ``{model}`` and ``{method}`` when they are in the path."""
    models_paths: tuple[str, ...]
    tokens_per_image: int
    """What each picture is billed as."""
    tokens_of_tools: int
    """What the vendor writes around tools, and bills."""

    def key(self, headers: Mapping[str, str], query: Mapping[str, str]) -> str:
        """The API key, empty if there is none."""
        ...

    def read(self, document: Document, path: Mapping[str, str]) -> Asked:
        """What is asked; raises ``Unreadable``."""
        ...

    def headers(self, request_id: str, limits: Limits) -> dict[str, str]:
        """What every answer says of itself and of the limits."""
        ...

    def answer(self, reply: Reply) -> Document:
        """A whole answer."""
        ...

    def events(self, reply: Reply, asked: Asked) -> list[bytes]:
        """The same as a stream; the last tells that it is whole."""
        ...

    def stream_error(self, trouble: Trouble) -> bytes:
        """An error inside a stream that had begun well."""
        ...

    def wrong(self, trouble: Trouble) -> Wrong:
        """An error answer."""
        ...

    def missing_key(self, request_id: str) -> Wrong:
        """What a request without a key gets."""
        ...

    def models(self, names: tuple[str, ...]) -> Document:
        """The list of models."""
        ...


def count_tokens(text: str) -> int:
    """Roughly what a tokenizer would count, and at least one."""
    return max(1, len(text) // CHARACTERS_PER_TOKEN)


def first_tokens(text: str, number: int) -> str:
    """The beginning of *text*, so many tokens long."""
    return text[: number * CHARACTERS_PER_TOKEN]


def page(title: str) -> str:
    """What a machine in front of a vendor says."""
    return PAGE.format(title)


def seconds(duration: float) -> str:
    """A duration as headers write it: whole seconds without a point."""
    return f"{duration:g}"


def sse(document: Document, event: str = "") -> bytes:
    """One event of a stream."""
    name = f"event: {event}\n" if event else ""
    return f"{name}data: {json.dumps(document)}\n\n".encode()


def texts_of(parts: object) -> Iterator[str]:
    """The texts in a message's content, which is a string or a list of parts."""
    if isinstance(parts, str):
        yield parts
    for part in parts if isinstance(parts, list) else ():
        if isinstance(part, dict) and isinstance(text := part.get("text"), str):
            yield text


def read_messages(document: Document) -> str:
    """The text of a request's ``messages``; raises ``Unreadable`` if they are not a list."""
    messages = document.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Unreadable("messages: Field required")
    told = (message for message in messages if isinstance(message, dict))
    return "\n".join(text for message in told for text in texts_of(message.get("content")))


def read_model(document: Document) -> str:
    """The request's ``model``; raises ``Unreadable`` without one."""
    model = document.get("model")
    if not isinstance(model, str) or not model:
        raise Unreadable("model: Field required")
    return model
