"""Responses: what is said, called and resulted are items of one list."""

from __future__ import annotations

from collections.abc import Iterator

from ...asking import Image, Message, Prompt
from .form import Body, data_url, id_of

__all__ = ["conversation", "extras"]


def conversation(prompt: Prompt, detail: Body) -> str | list[Body]:
    """The input; *detail* is said with each picture."""
    if isinstance(prompt.messages, str):
        return prompt.messages
    return [item for turn in prompt.messages for item in _items(turn, detail)]


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
    if prompt.schema is not None:
        form = {"type": "json_schema", "name": "answer", "schema": dict(prompt.schema)}
        more["text"] = {"format": {**form, **strictness}}
    return more


def _items(turn: Message, detail: Body) -> Iterator[Body]:
    for result in turn.results:
        told = {"call_id": id_of(result.call), "output": result.content}
        yield {"type": "function_call_output", **told}
    parts = [part for part in turn.content if isinstance(part, str | Image)]
    if turn.role == "user" and parts:
        yield {"role": "user", "content": [_part(part, detail) for part in parts]}
    elif parts:
        yield {"role": "assistant", "content": turn.text}
    for call in turn.calls:
        told = {"call_id": id_of(call), "name": call.name, "arguments": call.arguments}
        yield {"type": "function_call", **told}


def _part(part: str | Image, detail: Body) -> Body:
    if isinstance(part, str):
        return {"type": "input_text", "text": part}
    return {"type": "input_image", "image_url": data_url(part), **detail}
