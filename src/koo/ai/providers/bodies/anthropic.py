"""Anthropic: a message is a list of blocks, and results of tools come first."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ...asking import Image, Part, Prompt, Thought, Tool, ToolCall, ToolChoice, ToolResult
from .form import Body, arguments_of, base64_of, id_of, said_to, thought_of, up_to_thoughts

__all__ = ["VENDOR", "conversation", "extras"]

#: Whose thoughts it takes.
VENDOR: Final = "anthropic"
_CHOICES: Final[Mapping[str, str]] = MappingProxyType({"none": "none", "required": "any"})


def conversation(prompt: Prompt) -> list[Body]:
    """The messages."""
    if isinstance(prompt.messages, str):
        return [{"role": "user", "content": prompt.messages}]
    turns = [(turn.role, up_to_thoughts(said_to(VENDOR, turn))) for turn in prompt.messages]
    return [{"role": role, "content": [*map(_block, parts)]} for role, parts in turns if parts]


def extras(prompt: Prompt) -> Body:
    """What else the body holds."""
    more: Body = {}
    if prompt.tools:
        more["tools"] = [
            {
                "name": tool.name,
                "description": tool.description,
                "input_schema": dict(tool.parameters),
            }
            for tool in prompt.tools
        ]
    if prompt.tool_choice != "auto":
        more["tool_choice"] = _choice(prompt.tool_choice)
    if prompt.schema is not None:
        more["output_config"] = {"format": {"type": "json_schema", "schema": dict(prompt.schema)}}
    return more


def _choice(choice: ToolChoice) -> Body:
    if isinstance(choice, Tool):
        return {"type": "tool", "name": choice.name}
    return {"type": _CHOICES[choice]}


def _block(part: Part) -> Body:
    match part:
        case Image():
            return {"type": "image", "source": _source(part)}
        case ToolCall():
            used = {"id": id_of(part), "name": part.name, "input": arguments_of(part)}
            return {"type": "tool_use", **used}
        case ToolResult():
            told = {"tool_use_id": id_of(part.call), "content": part.content}
            return {"type": "tool_result", **told}
        case Thought():
            return thought_of(part)
        case _:
            return {"type": "text", "text": part}


def _source(image: Image) -> Body:
    if isinstance(image.source, str):
        return {"type": "url", "url": image.source}
    return {"type": "base64", "media_type": image.media_type, "data": base64_of(image.source)}
