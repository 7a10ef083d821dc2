"""What the vendors' forms have in common: pictures as base64, arguments, and an upper bound.

a body's bytes, less those of its pictures   no token is shorter than a byte
+ the vendor's most for each picture         None: it says no such number
+ what it writes around tools and a schema   into the prompt, unseen
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Final, TypeAlias

from ...asking import Image, Message, Part, Prompt, Thought, ToolCall

__all__ = [
    "UNSEEN",
    "Body",
    "CannotCarry",
    "arguments_of",
    "base64_of",
    "data_url",
    "id_of",
    "most_input",
    "said_to",
    "thought_of",
    "up_to_thoughts",
    "written",
]

Body: TypeAlias = dict[str, object]

#: Anthropic writes up to 530 tokens around tools; nobody says more of the others, or of schemas.
UNSEEN: Final = 2_000
_written: Final = json.JSONEncoder(ensure_ascii=False, default=float).encode


class CannotCarry(Exception):
    """A vendor does not know such a thing; the text says which, and what to do."""


def base64_of(picture: bytes) -> str:
    """A picture as text."""
    return b64encode(picture).decode()


def data_url(image: Image) -> str:
    """The picture's address, or all of it as one."""
    if isinstance(image.source, str):
        return image.source
    return f"data:{image.media_type};base64,{base64_of(image.source)}"


def said_to(vendor: str, turn: Message) -> list[Part]:
    """What *vendor* is told of *turn*: results first, and no thoughts of others."""
    return [
        part
        for part in turn.results_first
        if not isinstance(part, Thought) or part.vendor == vendor
    ]


def up_to_thoughts(parts: list[Part]) -> list[Part]:
    """*parts* without thoughts at their end, for vendors that refuse those that led to nothing."""
    while parts and isinstance(parts[-1], Thought):
        parts = parts[:-1]
    return parts


def thought_of(thought: Thought) -> Body:
    """What the vendor gave."""
    found: Body = json.loads(thought.content)
    return found


def id_of(call: ToolCall) -> str:
    """The id of *call*, for vendors that know calls by it."""
    if not call.id:
        raise CannotCarry("a ToolCall has no id, which only gemini does without; give it one")
    return call.id


def arguments_of(call: ToolCall) -> Mapping[str, object]:
    """The arguments of *call* as an object, for vendors that want one."""
    try:
        found = json.loads(call.arguments)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise CannotCarry("the arguments of a ToolCall are no JSON object; correct them")
    return found


def written(arguments: object) -> str:
    """Arguments as JSON text; what is text already stays as the model wrote it."""
    return arguments if isinstance(arguments, str) else _written(arguments or {})


def most_input(prompt: Prompt, length: int, per_image: int | None) -> tuple[int, tuple[str, ...]]:
    """The most input tokens of *prompt* in a body of *length* bytes, and what nobody can bound."""
    most = length + (UNSEEN if prompt.tools or prompt.schema is not None else 0)
    images = prompt.images
    if not images:
        return most, ()
    if per_image is None:
        return most, ("images",)
    return most - sum(map(_written_length, images)) + per_image * len(images), ()


def _written_length(image: Image) -> int:
    return 0 if isinstance(image.source, str) else -(-len(image.source) // 3) * 4
