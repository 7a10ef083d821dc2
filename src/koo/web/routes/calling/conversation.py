"""A conversation as JSON, in and out.

    {"role": "user", "content": "..." or parts}                --said_in--> Message
    parts: text, image, tool_result; tool_call, thought        <--shown---  the answer's

What a model has said is handed back as it was told: a call inside its result, a thought where
it stood.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, TypeAlias

from pydantic import ConfigDict, FailFast, Field

if TYPE_CHECKING:  # who has no AI services need not have what they need
    from ....ai import Image, Message, Tool, ToolCall, ToolChoice

__all__ = [
    "BODIES",
    "KINDS",
    "FirstWrong",
    "MessageBody",
    "NamedTool",
    "ToolBody",
    "choice_of",
    "said_in",
    "shown",
    "tools_of",
]

_STRICT = ConfigDict(extra="forbid")


class FirstWrong(FailFast):
    """Of a list the first mistake counts: a large body could hold half a million."""

    __hash__ = object.__hash__


@dataclass(frozen=True, slots=True)
class TextPart:
    """A text."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    type: Literal["text"]
    text: str


@dataclass(frozen=True, slots=True)
class ImagePart:
    """A picture: its address, or its bytes as base64."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    type: Literal["image"]
    url: str | None = None
    data: str | None = None

    def picture(self) -> Image:
        """The picture; ValueError if it is none."""
        from ....ai import Image  # noqa: PLC0415 - who has no AI services need not have it

        if (self.url is None) == (self.data is None):
            raise ValueError("Image: give either url or data")
        if self.data is None:
            return Image(self.url or "")
        try:
            return Image(b64decode(self.data, validate=True))
        except ValueError:
            what = "Image: data must be base64 of a PNG, JPEG, GIF or WebP file"
            raise ValueError(what) from None


@dataclass(frozen=True, slots=True)
class ToolCallPart:
    """A call that the model asks for; its arguments are JSON text."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    type: Literal["tool_call"]
    name: str
    arguments: str
    id: str = ""
    signature: str = ""

    def call(self) -> ToolCall:
        """The call."""
        from ....ai import ToolCall  # noqa: PLC0415 - as above

        return ToolCall(self.id, self.name, self.arguments, self.signature)


@dataclass(frozen=True, slots=True)
class ToolResultPart:
    """What a call came to; the call is the one that was told."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    type: Literal["tool_result"]
    call: ToolCallPart
    content: str


@dataclass(frozen=True, slots=True)
class ThoughtPart:
    """What the model has thought, for its vendor alone."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    type: Literal["thought"]
    vendor: str
    content: str


PartBody: TypeAlias = Annotated[
    TextPart | ImagePart | ToolCallPart | ToolResultPart | ThoughtPart,
    Field(discriminator="type"),
]


@dataclass(frozen=True, slots=True)
class MessageBody:
    """What one side says at once."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    role: Literal["user", "assistant"]
    content: str | Annotated[tuple[PartBody, ...], FirstWrong()]


@dataclass(frozen=True, slots=True)
class ToolBody:
    """A tool that may be called; its parameters are a JSON schema of an object."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    name: str
    description: str = ""
    parameters: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class NamedTool:
    """The tool that must be called."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    name: str


#: The kinds of parts, which are in the path to a mistake.
KINDS: Final = frozenset({"text", "image", "tool_call", "tool_result", "thought"})
#: All of them, whose fields are no secret.
BODIES: Final = (
    TextPart,
    ImagePart,
    ToolCallPart,
    ToolResultPart,
    ThoughtPart,
    MessageBody,
    ToolBody,
    NamedTool,
)


def said_in(message: MessageBody) -> Message:
    """What *message* says; ValueError if that side never says such a thing."""
    from ....ai import Message, Thought, ToolResult  # noqa: PLC0415 - as above

    if isinstance(message.content, str):
        return Message(message.role, (message.content,))

    def said(part: PartBody) -> str | Image | ToolCall | ToolResult | Thought:
        match part:
            case TextPart():
                return part.text
            case ImagePart():
                return part.picture()
            case ToolCallPart():
                return part.call()
            case ToolResultPart():
                return ToolResult(part.call.call(), part.content)
            case _:
                return Thought(part.vendor, part.content)

    return Message(message.role, tuple(map(said, message.content)))


def tools_of(bodies: Sequence[ToolBody]) -> tuple[Tool, ...]:
    """The tools; ValueError if one is none."""
    from ....ai import Tool  # noqa: PLC0415 - as above

    return tuple(
        Tool(body.name, body.description)
        if body.parameters is None
        else Tool(body.name, body.description, body.parameters)
        for body in bodies
    )


def choice_of(
    choice: Literal["auto", "none", "required"] | NamedTool, tools: Sequence[Tool]
) -> ToolChoice:
    """The choice among *tools*; ValueError if it is none of them."""
    if not isinstance(choice, NamedTool):
        return choice
    for tool in tools:
        if tool.name == choice.name:
            return tool
    raise ValueError("tool_choice: name must be that of one of the tools")


def shown(message: Message) -> MessageBody:
    """What a model has said, as it is to be handed back."""
    from ....ai import Thought, ToolCall  # noqa: PLC0415 - as above

    def part_of(part: object) -> PartBody:
        match part:
            case ToolCall():
                return ToolCallPart("tool_call", part.name, part.arguments, part.id, part.signature)
            case Thought():
                return ThoughtPart("thought", part.vendor, part.content)
            case _:
                return TextPart("text", str(part))

    return MessageBody(message.role, tuple(map(part_of, message.content)))
