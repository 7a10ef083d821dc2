"""To whom a prompt is put, and what is wrong with it, found before anything is sent or counted.

    Prompt --put, for a service's settings--> Question --complaint--> a sentence, or nothing

Most callers' types are checked by nobody, so the types are looked at too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import isfinite
from typing import Final, Protocol, TypeVar

from .config import ServiceConfig
from .prompts import Prompt, Question

__all__ = ["complaint", "put", "put_to_each"]


class Configured(Protocol):
    """A service, as far as its settings are known."""

    config: ServiceConfig


ServiceT = TypeVar("ServiceT", bound=Configured)


def put(prompt: str | Prompt, config: ServiceConfig) -> Question:
    """*prompt* as it is put to the service of *config*."""
    asked = prompt if isinstance(prompt, Prompt) else Prompt(prompt)
    most = config.max_tokens if asked.max_tokens is None else asked.max_tokens
    return Question(asked, asked.model or config.model, most)


def put_to_each(
    prompt: str | Prompt, services: Sequence[ServiceT]
) -> list[tuple[ServiceT, Question]]:
    """*prompt* as it is put to each of several; its model is the first's, others have their own."""
    first, *others = services
    asked = prompt if isinstance(prompt, Prompt) else Prompt(prompt)
    again = replace(asked, model=None)
    return [
        (first, put(asked, first.config)),
        *((other, put(again, other.config)) for other in others),
    ]


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and isfinite(value)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and value >= 1


_RULES: Final[tuple[tuple[Callable[[Question], bool], str], ...]] = (
    (lambda asked: _is_text(asked.prompt.text), "the prompt must be text"),
    (lambda asked: bool(asked.prompt.text.strip()), "the prompt is empty; send some text"),
    (
        lambda asked: asked.prompt.system is None or _is_text(asked.prompt.system),
        "system must be text",
    ),
    (lambda asked: _is_text(asked.model), "model must be the name of one"),
    (lambda asked: _is_count(asked.max_tokens), "max_tokens must be a whole number from 1 on"),
    (
        lambda asked: (
            asked.prompt.temperature is None
            or (_is_number(asked.prompt.temperature) and asked.prompt.temperature >= 0)
        ),
        "temperature must be 0 or more",
    ),
)


def complaint(question: Question, *timeouts: float | None) -> str | None:
    """What is wrong with *question* or a timeout in seconds; None if nothing is."""
    if not all(timeout is None or (_is_number(timeout) and timeout > 0) for timeout in timeouts):
        return "timeout must be above 0 seconds"
    return next((what for is_right, what in _RULES if not is_right(question)), None)
