"""Chat Completions: results of tools are messages of their own."""

from __future__ import annotations

from collections.abc import Iterator

from ...asking import Image, Message, Prompt, Tool, ToolChoice
from .form import Body, data_url, id_of

__all__ = ["conversation", "extras"]


def conversation(prompt: Prompt, detail: Body) -> list[Body]:
    """The messages; *detail* is said with each picture."""
    told: list[Body] = []
    if prompt.system is not None:
        told.append({"role": "system", "content": prompt.system})
    if isinstance(prompt.messages, str):
        return [*told, {"role": "user", "content": prompt.messages}]
    for turn in prompt.messages:
        told += _of_user(turn, detail) if turn.role == "user" else _of_assistant(turn)
    return told


def extras(prompt: Prompt, strictness: Body) -> Body:
    """What else the body holds; *strictness* is said with a schema."""
    more: Body = {}
    if prompt.tools:
        more["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": dict(tool.parameters),
                },
            }
            for tool in prompt.tools
        ]
    if prompt.tool_choice != "auto":
        more["tool_choice"] = _choice(prompt.tool_choice)
    if prompt.schema is not None:
        form = {"name": "answer", "schema": dict(prompt.schema), **strictness}
        more["response_format"] = {"type": "json_schema", "json_schema": form}
    return more


def _of_user(turn: Message, detail: Body) -> Iterator[Body]:
    for result in turn.results:
        told = {"tool_call_id": id_of(result.call), "content": result.content}
        yield {"role": "tool", **told}
    parts = [part for part in turn.content if isinstance(part, str | Image)]
    if parts:
        yield {"role": "user", "content": [_part(part, detail) for part in parts]}


def _choice(choice: ToolChoice) -> object:
    if isinstance(choice, Tool):
        return {"type": "function", "function": {"name": choice.name}}
    return choice


def _of_assistant(turn: Message) -> Iterator[Body]:
    """Its text and calls; a chat is told of no thoughts."""
    if not (turn.text or turn.calls):
        return
    told: Body = {"role": "assistant", "content": turn.text or None}
    if turn.calls:
        told["tool_calls"] = [
            {
                "id": id_of(call),
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in turn.calls
        ]
    yield told


def _part(part: str | Image, detail: Body) -> Body:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    return {"type": "image_url", "image_url": {"url": data_url(part), **detail}}
