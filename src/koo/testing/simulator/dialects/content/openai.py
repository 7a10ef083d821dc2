"""OpenAI's parts, items, tools and response formats, of Chat Completions and of Responses."""

from __future__ import annotations

import re
from typing import Any

from .form import Carried, Offer, Unreadable, check_choice, check_picture, unsealed

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
    choice = _choice(document.get("tool_choice"), "function")
    return check_choice(Carried(images, offers, form.get("schema"), has_results, choice))


def read_responses(document: dict[str, Any]) -> Carried:
    """What the body of a response carries; Unreadable if it is not as documented."""
    told = document["input"]
    items = told if isinstance(told, list) else []
    images, asked = 0, set[str]()
    thoughts: list[str] = []
    for place, item in enumerate(items):
        if item.get("type") == "function_call_output":
            asked.discard(item.get("call_id"))
        elif item.get("type") == "function_call":
            asked.add(item["call_id"])
        elif item.get("type") == "reasoning":
            thoughts.append(unsealed(item["encrypted_content"]))
            if "id" in item or place + 1 == len(items) or _is_asked(items[place + 1]):
                raise Unreadable("reasoning was provided without its required following item")
        else:
            images += _pictures(item.get("content"), "input_image")
    if asked:
        raise Unreadable("No tool output found for function call.")
    form = (document.get("text") or {}).get("format", {})
    offers = tuple(map(_offer, document.get("tools", ())))
    has_results = bool(items) and items[-1].get("type") == "function_call_output"
    choice = _choice(document.get("tool_choice"))
    carried = Carried(images, offers, form.get("schema"), has_results, choice, tuple(thoughts))
    return check_choice(carried)


def _choice(choice: Any, *path: str) -> str:
    if choice is None or isinstance(choice, str):
        return choice or "auto"
    for step in path:
        choice = choice[step]
    return str(choice["name"])


def _is_asked(item: Any) -> bool:
    """Whether it is no item of the model's."""
    return bool(item.get("role") == "user" or item.get("type") == "function_call_output")


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
