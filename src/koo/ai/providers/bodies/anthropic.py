"""Anthropic: a message is a list of blocks, and results of tools come first."""

from __future__ import annotations

from ...asking import Image, Part, Prompt, ToolCall, ToolResult
from .form import Body, arguments_of, base64_of, id_of

__all__ = ["conversation", "extras"]


def conversation(prompt: Prompt) -> list[Body]:
    """The messages."""
    if isinstance(prompt.messages, str):
        return [{"role": "user", "content": prompt.messages}]
    return [
        {"role": turn.role, "content": [*map(_block, turn.results_first)]}
        for turn in prompt.messages
    ]


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
    if prompt.schema is not None:
        more["output_config"] = {"format": {"type": "json_schema", "schema": dict(prompt.schema)}}
    return more


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
        case _:
            return {"type": "text", "text": part}


def _source(image: Image) -> Body:
    if isinstance(image.source, str):
        return {"type": "url", "url": image.source}
    return {"type": "base64", "media_type": image.media_type, "data": base64_of(image.source)}
