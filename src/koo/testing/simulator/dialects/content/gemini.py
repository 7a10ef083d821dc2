"""Gemini's parts, function declarations and response schema."""

from __future__ import annotations

from typing import Any

from .form import Carried, Offer, Unreadable, check_choice, check_picture, unsealed

__all__ = ["read"]

_PLAIN = str.maketrans("-_", "+/")
_KINDS = ("image/png", "image/jpeg", "image/webp")
_CHOICES = {"AUTO": "auto", "ANY": "required", "NONE": "none"}
_PICTURES = {"inlineData", "fileData"}
_KNOWN = {"text", "functionCall", "functionResponse", "thoughtSignature", *_PICTURES}


def read(document: dict[str, Any]) -> Carried:
    """What *document* carries; Unreadable if a part is not as documented or answers nothing."""
    images, asked = 0, 0
    parts: list[Any] = []
    thoughts: list[str] = []
    for content in document["contents"]:
        parts = content.get("parts") or []
        for part in parts:
            _check(part)
            if "text" in part and "thoughtSignature" in part:
                thoughts.append(unsealed(part["thoughtSignature"]))
        images += sum(not _PICTURES.isdisjoint(part) for part in parts)
        if asked != sum("functionResponse" in part for part in parts):
            raise Unreadable(
                "Please ensure that the number of function response parts is equal to the number"
                " of function call parts of the function call turn."
            )
        asked = sum("functionCall" in part for part in parts)
    config = document.get("generationConfig") or {}
    offers = tuple(
        Offer(
            declared["name"],
            _either(declared, "parametersJsonSchema", "parameters_json_schema") or {},
        )
        for tool in document.get("tools", ())
        for declared in tool["functionDeclarations"]
    )
    has_results = any("functionResponse" in part for part in parts)
    choice = _choice((document.get("toolConfig") or {}).get("functionCallingConfig") or {})
    schema = config.get("responseJsonSchema")
    return check_choice(Carried(images, offers, schema, has_results, choice, tuple(thoughts)))


def _choice(config: Any) -> str:
    named = config.get("allowedFunctionNames")
    return str(named[0]) if named else _CHOICES[config.get("mode", "AUTO")]


def _check(part: Any) -> None:
    if unknown := set(part) - _KNOWN:
        raise Unreadable(f'Invalid JSON payload received. Unknown name "{min(unknown)}"')
    if "inlineData" in part:
        data = part["inlineData"]
        # Either alphabet of base64 will do; the official SDK writes the one for addresses.
        text = str(data.get("data")).translate(_PLAIN)
        check_picture(_kind(data), text, _KINDS)
    if "fileData" in part:
        data = part["fileData"]
        address = str(_either(data, "fileUri", "file_uri"))
        if not address.startswith("https://") or _kind(data) not in _KINDS:
            raise Unreadable("Cannot fetch content from the provided URL.")
    if "functionCall" in part and "thoughtSignature" not in part:
        raise Unreadable("Function call is missing a thought_signature in functionCall parts.")


def _kind(data: Any) -> Any:
    return _either(data, "mimeType", "mime_type")


def _either(found: Any, name: str, other: str) -> Any:
    """Fields have two names each; the official SDK mixes them."""
    return found.get(name, found.get(other))
