"""Anthropic's content blocks, tools and output format."""

from __future__ import annotations

from typing import Any

from .form import Carried, Offer, Unreadable, check_choice, check_picture, unsealed

__all__ = ["read"]

_NEEDED = {
    "text": {"text"},
    "image": {"source"},
    "tool_use": {"id", "name", "input"},
    "tool_result": {"tool_use_id"},
    "thinking": {"thinking", "signature"},
    "redacted_thinking": {"data"},
}
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}


def read(document: dict[str, Any]) -> Carried:
    """What *document* carries; Unreadable if a block is not as documented or answers nothing."""
    images, asked, lacks_thought = 0, set[str](), False
    blocks: list[Any] = []
    thoughts: list[str] = []
    for place, message in enumerate(document["messages"]):
        content = message.get("content")
        blocks = content if isinstance(content, list) else []
        for block in blocks:
            _check(block, place)
        thoughts += _thoughts(blocks, place)
        if message.get("role") == "assistant":
            lacks_thought = bool(blocks) and "thinking" not in blocks[0]["type"]
        images += sum(block["type"] == "image" for block in blocks)
        if asked != {one["tool_use_id"] for one in blocks if one["type"] == "tool_result"}:
            raise Unreadable(f"messages.{place}: tool_use ids without tool_result blocks")
        asked = {block["id"] for block in blocks if block["type"] == "tool_use"}
    schema = (document.get("output_config") or {}).get("format", {}).get("schema")
    has_results = any(block["type"] == "tool_result" for block in blocks)
    return check_choice(
        Carried(
            images,
            tuple(map(_offer, document.get("tools", ()))),
            schema,
            has_results,
            _choice(document.get("tool_choice")),
            tuple(thoughts),
            has_results and lacks_thought,
        )
    )


def _choice(choice: Any) -> str:
    if choice is None:
        return "auto"
    return _CHOICES.get(choice["type"]) or str(choice["name"])


def _thoughts(blocks: list[Any], place: int) -> list[str]:
    """What comes back; not as the last of a message, and as it was."""
    if blocks and "thinking" in blocks[-1]["type"]:
        raise Unreadable(f"messages.{place}: The final block can't be `thinking`.")
    return [
        unsealed(block.get("signature") or block["data"])
        for block in blocks
        if "thinking" in block["type"]
    ]


def _check(block: Any, place: int) -> None:
    kind = block.get("type")
    if kind not in _NEEDED or not _NEEDED[kind] <= set(block):
        raise Unreadable(f"messages.{place}.content: Input tag is not as expected")
    if kind == "image" and block["source"].get("type") == "base64":
        check_picture(block["source"].get("media_type"), block["source"].get("data"))
    if kind == "tool_use" and not isinstance(block["input"], dict):
        raise Unreadable(f"messages.{place}.content: tool_use.input: Input should be an object")


def _offer(tool: Any) -> Offer:
    schema = tool.get("input_schema")
    if not tool.get("name") or not isinstance(schema, dict) or schema.get("type") != "object":
        raise Unreadable("tools.0.custom.input_schema.type: Field required")
    return Offer(tool["name"], schema)
