"""What no service could answer, found before anything is sent or counted.

Most callers' types are checked by nobody, so the types are looked at too.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Final

from .provider import Prompt

__all__ = ["complaint"]


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and isfinite(value)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and value >= 1


_RULES: Final[tuple[tuple[Callable[[Prompt], bool], str], ...]] = (
    (lambda asked: _is_text(asked.text), "the prompt must be text"),
    (lambda asked: bool(asked.text.strip()), "the prompt is empty; send some text"),
    (lambda asked: asked.system is None or _is_text(asked.system), "system must be text"),
    (lambda asked: _is_text(asked.model), "model must be the name of one"),
    (lambda asked: _is_count(asked.max_tokens), "max_tokens must be a whole number from 1 on"),
    (
        lambda asked: (
            asked.temperature is None or (_is_number(asked.temperature) and asked.temperature >= 0)
        ),
        "temperature must be 0 or more",
    ),
)


def complaint(prompt: Prompt, timeout: float | None) -> str | None:
    """What is wrong with *prompt* or its *timeout* in seconds; None if nothing is."""
    if timeout is not None and not (_is_number(timeout) and timeout > 0):
        return "timeout must be above 0 seconds"
    return next((what for is_right, what in _RULES if not is_right(prompt)), None)
