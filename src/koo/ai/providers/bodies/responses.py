"""Responses: what is said, called and resulted are items of one list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ...asking import Image, Message, Part, Prompt, Thought, Tool, ToolCall, ToolChoice
from .form import Body, data_url, id_of, said_to, thought_of, up_to_thoughts

__all__ = ["VENDOR", "conversation", "extras"]

#: Whose thoughts it takes.
VENDOR: Final = "openai-responses"


def conversation(prompt: Prompt, detail: Body) -> str | list[Body]:
    """The input; *detail* is said with each picture."""
    if isinstance(prompt.messages, str):
        return prompt.messages
    told: list[Body] = []
    for turn in prompt.messages:
        if turn.role == "user":
            told += _of_user(turn, detail)
        else:
            told += map(_item, up_to_thoughts(said_to(VENDOR, turn)))
    return told


def extras(prompt: Prompt, strictness: Body) -> Body:
    """What else the body holds; *strictness* is said with a schema."""
    more: Body = {}
    if prompt.tools:
        more["tools"] = [
            {
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": dict(tool.parameters),
                # Unsaid, it is true here, and false in Chat Completions.
                "strict": False,
            }
            for tool in prompt.tools
        ]
    if prompt.tool_choice != "auto":
        more["tool_choice"] = _choice(prompt.tool_choice)
    if prompt.schema is not None:
        form = {"type": "json_schema", "name": "answer", "schema": dict(prompt.schema)}
        more["text"] = {"format": {**form, **strictness}}
    return more


def _choice(choice: ToolChoice) -> object:
    if isinstance(choice, Tool):
        return {"type": "function", "name": choice.name}
    return choice


def _of_user(turn: Message, detail: Body) -> Iterator[Body]:
    for result in turn.results:
        told = {"call_id": id_of(result.call), "output": result.content}
        yield {"type": "function_call_output", **told}
    parts = [part for part in turn.content if isinstance(part, str | Image)]
    if parts:
        yield {"role": "user", "content": [_part(part, detail) for part in parts]}


def _item(part: Part) -> Body:
    match part:
        case ToolCall():
            told = {"call_id": id_of(part), "name": part.name, "arguments": part.arguments}
            return {"type": "function_call", **told}
        case Thought():
            return thought_of(part)
        case _:
            return {"role": "assistant", "content": part}


def _part(part: str | Image, detail: Body) -> Body:
    if isinstance(part, str):
        return {"type": "input_text", "text": part}
    return {"type": "input_image", "image_url": data_url(part), **detail}
