"""What a service is told of answers that serve again."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Final

__all__ = ["CacheConfig"]

_ANSWERS: Final = 1000
_BYTES: Final = 16 * 2**20


@dataclass(frozen=True, slots=True)
class CacheConfig:
    """For *ttl* seconds an answer serves equal requests; *max_answers* of *max_bytes* are kept."""

    ttl: float
    max_answers: int = _ANSWERS
    max_bytes: int = _BYTES

    def __post_init__(self) -> None:
        """Refuse a cache that keeps nothing, or for ever."""
        if not (isfinite(self.ttl) and self.ttl > 0):
            raise ValueError("CacheConfig: ttl must be above 0 seconds")
        if self.max_answers < 1 or self.max_bytes < 1:
            raise ValueError("CacheConfig: max_answers and max_bytes must be at least 1")
