"""Pictures, tools and schemas, whichever vendor's words they came in."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = [
    "NOTHING_ELSE",
    "Call",
    "Carried",
    "Offer",
    "Unreadable",
    "check_choice",
    "check_picture",
    "sample",
    "sealed",
    "unsealed",
]

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
    """What a request holds beside its texts; *has_results*: it ends with results of tools.

    *choice* is auto, none, required or the name of the tool that must be called. *thoughts*
    came back; *lacks_thought*: a call that is answered now came back without its own.
    """

    images: int = 0
    offers: tuple[Offer, ...] = ()
    schema: Mapping[str, Any] | None = None
    has_results: bool = False
    choice: str = "auto"
    thoughts: tuple[str, ...] = ()
    lacks_thought: bool = False

    @property
    def wants_call(self) -> bool:
        """Whether it is answered with a call: until there is a result, if nothing else is said."""
        match self.choice:
            case "auto":
                return bool(self.offers) and not self.has_results
            case "none":
                return False
        return True

    @property
    def wanted(self) -> Offer:
        """The tool that is called: the one that must be, else the first."""
        named = (offer for offer in self.offers if offer.name == self.choice)
        return next(named, self.offers[0])

    @property
    def text(self) -> str:
        """What of it is billed by its length."""
        told = [json.dumps(offer.schema) + offer.name for offer in self.offers]
        return "".join(told) + (json.dumps(self.schema) if self.schema else "")


NOTHING_ELSE = Carried()


def check_choice(carried: Carried) -> Carried:
    """*carried*, unless what must be called is not offered: Unreadable."""
    names = {"auto", *(("none", "required") if carried.offers else ())}
    if carried.choice not in names | {offer.name for offer in carried.offers}:
        raise Unreadable("tool_choice: no such tool is offered")
    return carried


def sealed(thought: str) -> str:
    """*thought* as only the vendor can read it."""
    told = thought.encode()
    return base64.b64encode(hashlib.sha256(told).digest() + told).decode()


def unsealed(seal: object) -> str:
    """The thought in a *seal*; Unreadable if somebody has changed it."""
    try:
        found = base64.b64decode(str(seal), validate=True)
    except binascii.Error:
        found = b""
    if hashlib.sha256(found[32:]).digest() != found[:32]:
        raise Unreadable("Invalid `signature` in `thinking` block")
    return found[32:].decode()


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
