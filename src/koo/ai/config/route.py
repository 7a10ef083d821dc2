"""The way to a service: its address, a proxy in between, and who vouches for it."""

from __future__ import annotations

import re
import ssl
from typing import Final
from urllib.parse import SplitResult, urlsplit

__all__ = ["is_base_url", "is_proxy", "trust_in"]

_HOST: Final = re.compile(r"(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?")


def is_base_url(text: str) -> bool:
    """Whether requests can be sent to paths below it; it holds no secret."""
    parts = _parts(text)
    return (
        parts is not None
        and _names_a_host(parts)
        and not (parts.username or parts.password or parts.query or parts.fragment)
    )


def is_proxy(text: str) -> bool:
    """Whether requests can be sent through it; it may hold a name and a password."""
    parts = _parts(text)
    return (
        parts is not None
        and _names_a_host(parts)
        and not (parts.path.strip("/") or parts.query or parts.fragment)
    )


def trust_in(ca_bundle: str) -> ssl.SSLContext | None:
    """A context that trusts the authorities in that PEM file; None without one. OSError if bad."""
    return ssl.create_default_context(cafile=ca_bundle) if ca_bundle else None


def _parts(text: str) -> SplitResult | None:
    if not (text.isascii() and text.isprintable()) or " " in text:
        return None
    try:
        return urlsplit(text)
    except ValueError:
        return None


def _names_a_host(parts: SplitResult) -> bool:
    try:
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    return (
        parts.scheme in {"http", "https"}
        and (":" in host or _HOST.fullmatch(host) is not None)
        and port != 0
    )
