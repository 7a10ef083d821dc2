"""OpenAI's parts, items, tools and response formats, of Chat Completions and of Responses."""

from __future__ import annotations

import re
from typing import Any

from .form import Carried, Offer, Unreadable, check_picture

__all__ = ["read_chat", "read_responses"]

_DATA_URL = re.compile(r"data:(image/\w+);base64,(.*)", re.DOTALL)


def read_chat(document: dict[str, Any]) -> Carried:
    """What the body of a chat carries; Unreadable if it is not as documented."""
    images, asked = 0, set[str]()
    for message in document["messages"]:
        if message.get("role") == "tool":
            asked.discard(message.get("tool_call_id"))
            continue
        if asked:
            raise Unreadable("tool_calls must be followed by tool messages for each tool_call_id")
        images += _pictures(message.get("content"), "image_url")
        asked = {call["id"] for call in message.get("tool_calls") or ()}
    form = (document.get("response_format") or {}).get("json_schema", {})
    offers = tuple(_offer(tool.get("function", {})) for tool in document.get("tools", ()))
    has_results = document["messages"][-1].get("role") == "tool"
    return Carried(images, offers, form.get("schema"), has_results)


def read_responses(document: dict[str, Any]) -> Carried:
    """What the body of a response carries; Unreadable if it is not as documented."""
    told = document["input"]
    items = told if isinstance(told, list) else []
    images, asked = 0, set[str]()
    for item in items:
        if item.get("type") == "function_call_output":
            asked.discard(item.get("call_id"))
        elif item.get("type") == "function_call":
            asked.add(item["call_id"])
        else:
            images += _pictures(item.get("content"), "input_image")
    if asked:
        raise Unreadable("No tool output found for function call.")
    form = (document.get("text") or {}).get("format", {})
    offers = tuple(map(_offer, document.get("tools", ())))
    has_results = bool(items) and items[-1].get("type") == "function_call_output"
    return Carried(images, offers, form.get("schema"), has_results)


def _pictures(content: Any, kind: str) -> int:
    found = [part for part in content if part.get("type") == kind] if _is_parts(content) else []
    for part in found:
        told = part["image_url"]
        url = told if isinstance(told, str) else told["url"]
        if data := _DATA_URL.fullmatch(url):
            check_picture(*data.groups())
        elif not url.startswith("https://"):
            raise Unreadable("Failed to download image from the given url.")
    return len(found)


def _is_parts(content: Any) -> bool:
    return isinstance(content, list)


def _offer(function: Any) -> Offer:
    if not function.get("name"):
        raise Unreadable("Missing required parameter: 'tools[0].function.name'.")
    return Offer(function["name"], function.get("parameters") or {})
