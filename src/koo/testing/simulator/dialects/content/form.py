"""Pictures, tools and schemas, whichever vendor's words they came in."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["NOTHING_ELSE", "Call", "Carried", "Offer", "Unreadable", "check_picture", "sample"]

_BEGINNINGS = {
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/gif": (b"GIF87a", b"GIF89a"),
    "image/webp": (b"RIFF",),
}
_SAMPLES: dict[str, object] = {
    "string": "simulated",
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "null": None,
}


class Unreadable(Exception):
    """The request is not of the vendor's form; the text says where."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A tool that may be called, and the JSON schema of its arguments."""

    name: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a tool, with its arguments."""

    id: str
    name: str
    arguments: object

    @property
    def text(self) -> str:
        """The arguments as JSON."""
        return json.dumps(self.arguments)

    def pieces(self) -> list[str]:
        """The arguments in the pieces in which a stream brings them."""
        half = len(self.text) // 2
        return [self.text[:half], self.text[half:]]


@dataclass(frozen=True, slots=True)
class Carried:
    """What a request holds beside its texts; *has_results*: it ends with results of tools."""

    images: int = 0
    offers: tuple[Offer, ...] = ()
    schema: Mapping[str, Any] | None = None
    has_results: bool = False

    @property
    def wants_call(self) -> bool:
        """Whether it is answered with a call: of the first tool, until there is a result."""
        return bool(self.offers) and not self.has_results

    @property
    def text(self) -> str:
        """What of it is billed by its length."""
        told = [json.dumps(offer.schema) + offer.name for offer in self.offers]
        return "".join(told) + (json.dumps(self.schema) if self.schema else "")


NOTHING_ELSE = Carried()


def sample(schema: object) -> object:
    """Something that *schema* allows, always the same."""
    if not isinstance(schema, dict):
        return None
    if schema.get("enum"):
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            return {name: sample(one) for name, one in (schema.get("properties") or {}).items()}
        case "array":
            return [sample(schema.get("items"))]
        case kind:
            return _SAMPLES.get(str(kind))


def check_picture(media_type: object, data: object, kinds: Collection[str] = _BEGINNINGS) -> None:
    """Unreadable unless *data* is a picture of that type as base64."""
    kind = str(media_type)
    begins = _BEGINNINGS[kind] if kind in kinds else None
    try:
        found = base64.b64decode(str(data), validate=True)
    except binascii.Error:
        found = b""
    if begins is None or not found.startswith(begins):
        raise Unreadable("Could not process image")
