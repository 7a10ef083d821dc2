"""Gemini: contents of parts; calls and results know each other by the tool's name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ...asking import Image, Part, Prompt, Role, Thought, Tool, ToolCall, ToolChoice, ToolResult
from .form import Body, CannotCarry, arguments_of, base64_of, said_to, thought_of

__all__ = ["VENDOR", "conversation", "extras", "format_of"]

#: Whose thoughts it takes.
VENDOR: Final = "gemini"

_ROLES: Final[Mapping[Role, str]] = MappingProxyType({"user": "user", "assistant": "model"})
_CHOICES: Final[Mapping[str, str]] = MappingProxyType({"none": "NONE", "required": "ANY"})
_FETCHED: Final = re.compile(r"https://[^?#]+\.(png|jpe?g|webp)([?#].*)?", re.IGNORECASE)
_KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp"}
)


def conversation(prompt: Prompt) -> list[Body]:
    """The contents."""
    if isinstance(prompt.messages, str):
        return [{"role": "user", "parts": [{"text": prompt.messages}]}]
    turns = [(_ROLES[turn.role], said_to(VENDOR, turn)) for turn in prompt.messages]
    return [{"role": role, "parts": [*map(_part, parts)]} for role, parts in turns if parts]


def extras(prompt: Prompt) -> Body:
    """What else the body holds."""
    if not prompt.tools:
        return {}
    declared = [
        {
            "name": tool.name,
            "description": tool.description,
            "parametersJsonSchema": dict(tool.parameters),
        }
        for tool in prompt.tools
    ]
    more: Body = {"tools": [{"functionDeclarations": declared}]}
    if prompt.tool_choice != "auto":
        more["toolConfig"] = {"functionCallingConfig": _choice(prompt.tool_choice)}
    return more


def format_of(prompt: Prompt) -> Body:
    """What its configuration says of the answer's form."""
    if prompt.schema is None:
        return {}
    return {
        "responseMimeType": "application/json",
        "responseJsonSchema": dict(prompt.schema),
    }


def _choice(choice: ToolChoice) -> Body:
    if isinstance(choice, Tool):
        return {"mode": "ANY", "allowedFunctionNames": [choice.name]}
    return {"mode": _CHOICES[choice]}


def _part(part: Part) -> Body:
    match part:
        case Image():
            return _picture(part)
        case ToolCall():
            seen = {"thoughtSignature": part.signature} if part.signature else {}
            return {"functionCall": {**_named(part), "args": arguments_of(part)}, **seen}
        case ToolResult():
            told = {"response": {"output": part.content}}
            return {"functionResponse": {**_named(part.call), **told}}
        case Thought():
            return thought_of(part)
        case _:
            return {"text": part}


def _picture(image: Image) -> Body:
    if isinstance(image.source, str):
        return {"fileData": {"mimeType": _kind_at(image.source), "fileUri": image.source}}
    if image.media_type == "image/gif":
        raise CannotCarry("gemini takes no GIF; send a PNG, JPEG or WebP")
    return {"inlineData": {"mimeType": image.media_type, "data": base64_of(image.source)}}


def _kind_at(address: str) -> str:
    """What it must be told of a picture that it is to fetch.

    Source: https://ai.google.dev/gemini-api/docs/file-input-methods, "External HTTP / Signed URLs".
    """
    fetched = _FETCHED.fullmatch(address)
    if fetched is None:
        raise CannotCarry(
            "gemini fetches pictures only from https addresses that end with .png, .jpg, .jpeg or"
            " .webp; send the bytes"
        )
    return _KINDS[fetched[1].lower()]


def _named(call: ToolCall) -> Body:
    return {"name": call.name, **({"id": call.id} if call.id else {})}
