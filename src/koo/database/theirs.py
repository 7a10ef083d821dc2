"""The one name for objects that drivers and dialects make, each of a class of its own."""

from __future__ import annotations

from typing import Any, TypeAlias

__all__ = ["Theirs"]

#: A driver's or a dialect's own object: what is asked of it is no interface that they share.
Theirs: TypeAlias = Any
