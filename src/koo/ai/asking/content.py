"""What the two sides of a conversation say, in no vendor's words.

    user       text, Image, ToolResult ------+
                                             +--> Message --> a vendor's own form
    assistant  text, ToolCall, Thought ------+

Each of them is right when it is made, or a ValueError that says how it would be.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal, Self, TypeAlias

__all__ = [
    "Image",
    "Message",
    "Part",
    "Role",
    "Thought",
    "Tool",
    "ToolCall",
    "ToolResult",
    "document_of",
    "said",
]

Role: TypeAlias = Literal["user", "assistant"]

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_ADDRESS: Final = re.compile(r"https?://[\x21-\x7e]+")
#: How the pictures that vendors take begin.
_BEGINNINGS: Final[Mapping[str, re.Pattern[bytes]]] = MappingProxyType(
    {
        "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
        "image/jpeg": re.compile(rb"\xff\xd8\xff"),
        "image/gif": re.compile(rb"GIF8[79]a"),
        "image/webp": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
    }
)
_NOTHING_ASKED: Final[Mapping[str, object]] = MappingProxyType({"type": "object", "properties": {}})


@dataclass(frozen=True, slots=True)
class Image:
    """A picture: its bytes (PNG, JPEG, GIF or WebP), or the address from which the vendor gets it.

    Raises ValueError for other bytes and other addresses.
    """

    source: bytes | str = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse what no vendor takes."""
        if isinstance(self.source, str):
            if not _ADDRESS.fullmatch(self.source):
                raise ValueError("Image: the address must be like https://example.com/cat.png")
        elif not self.media_type:
            raise ValueError("Image: the bytes must be those of a PNG, JPEG, GIF or WebP file")

    @property
    def media_type(self) -> str:
        """What kind of picture the bytes are, like ``image/png``; empty for an address."""
        source = self.source
        if not isinstance(source, bytes):
            return ""
        return next((kind for kind, begins in _BEGINNINGS.items() if begins.match(source)), "")


@dataclass(frozen=True, slots=True)
class Tool:
    """A function of yours that the model may ask you to call; *parameters* are its JSON schema.

    Raises ValueError unless every vendor takes the name and the schema is of an object.
    """

    name: str
    description: str
    parameters: Mapping[str, object] = field(default_factory=lambda: dict(_NOTHING_ASKED))

    def __post_init__(self) -> None:
        """Refuse what no vendor takes."""
        if not _NAME.fullmatch(self.name):
            raise ValueError("Tool: name must be 1 to 64 letters, digits, _ or -, like get_time")
        if self.parameters.get("type") != "object":
            raise ValueError('Tool: parameters must be a JSON schema with "type": "object"')


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What the model asks you to call: the tool's *name* and its *arguments* as JSON text.

    Models write arguments that are wrong, some even JSON that is broken: check its ``values``.
    *id* is empty if the vendor gives none; *signature* is what it wants to see again.
    """

    id: str
    name: str
    arguments: str
    signature: str = field(default="", repr=False)

    @property
    def values(self) -> dict[str, Any]:
        """The arguments by name, as *arguments* has them. ValueError if that is no JSON object."""
        found = document_of(self.arguments)
        if isinstance(found, dict):
            return found
        raise ValueError("what the model wrote is no JSON object; tell it so as the ToolResult")


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What *call* came to, in words for the model."""

    call: ToolCall
    content: str


@dataclass(frozen=True, slots=True)
class Thought:
    """What the model has thought before it spoke, as only its own *vendor* can read it.

    *content* is the vendor's JSON, signed or encrypted. It goes back where it stood, unchanged;
    other vendors are not told of it. Raises ValueError for what is no JSON object.
    """

    vendor: str
    content: str = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse what can't be sent."""
        if not _is_json_object(self.content):
            raise ValueError("Thought: content must be the JSON object that the vendor gave")


def document_of(text: str) -> Any:  # noqa: ANN401 - JSON can be anything
    """The JSON document that *text* is; ValueError, which repeats nothing of it, if it is none."""
    with suppress(TypeError, ValueError, RecursionError):
        return json.loads(text)
    raise ValueError("what the model wrote is no JSON; ask again, and allow it enough max_tokens")


def _is_json_object(text: str) -> bool:
    with suppress(ValueError):
        return isinstance(document_of(text), dict)
    return False


Part: TypeAlias = str | Image | ToolCall | ToolResult | Thought

_SAID_BY: Final[Mapping[str, tuple[type, ...]]] = MappingProxyType(
    {"user": (str, Image, ToolResult), "assistant": (str, ToolCall, Thought)}
)


@dataclass(frozen=True, slots=True)
class Message:
    """What one side says at once. Raises ValueError if that side never says such a thing."""

    role: Role
    content: tuple[Part, ...]

    def __post_init__(self) -> None:
        """Refuse what no vendor takes."""
        allowed = _SAID_BY.get(self.role)
        if allowed is None:
            raise ValueError("Message: role must be user or assistant; system is a field of Prompt")
        # A text, too, is a sequence of texts.
        told: object = self.content
        if not (isinstance(told, tuple) and told and all(isinstance(one, allowed) for one in told)):
            raise ValueError(
                f"Message: content of {self.role} must be a tuple of one or more of"
                f" {', '.join(kind.__name__ for kind in allowed)}; say Message.{self.role}(...)"
            )
        if any(isinstance(part, str) and not part.strip() for part in self.content):
            raise ValueError("Message: a text is empty; leave it out")

    @classmethod
    def user(cls, *content: Part) -> Self:
        """What the user says: texts, pictures, results of tools."""
        return cls("user", content)

    @classmethod
    def assistant(cls, *content: Part) -> Self:
        """What the model has said: texts, calls of tools, thoughts."""
        return cls("assistant", content)

    @property
    def text(self) -> str:
        """Its texts, joined."""
        return "".join(part for part in self.content if isinstance(part, str))

    @property
    def images(self) -> tuple[Image, ...]:
        """Its pictures."""
        return tuple(part for part in self.content if isinstance(part, Image))

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """The calls it asks for."""
        return tuple(part for part in self.content if isinstance(part, ToolCall))

    @property
    def results_first(self) -> tuple[Part, ...]:
        """What it says, in the order that vendors want."""
        return tuple(sorted(self.content, key=lambda part: not isinstance(part, ToolResult)))

    @property
    def results(self) -> tuple[ToolResult, ...]:
        """The results it brings."""
        return tuple(part for part in self.content if isinstance(part, ToolResult))


def said(text: str, parts: tuple[Part, ...]) -> Message:
    """An answer of these *parts*, else of *text*, as what was said. ValueError if it is empty."""
    return Message("assistant", parts or ((text,) if text.strip() else ()))
