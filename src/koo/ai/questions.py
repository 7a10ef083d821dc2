"""What is asked, and what no service could answer, found before anything is sent or counted.

    Question --to(a service's settings)--> Prompt --complaint--> a sentence, or nothing

Most callers' types are checked by nobody, so the types are looked at too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from math import isfinite
from typing import Final, Protocol, TypeVar

from .config import ServiceConfig
from .provider import Prompt

__all__ = ["Question", "complaint"]


class Configured(Protocol):
    """A service, as far as its settings are known."""

    config: ServiceConfig


ServiceT = TypeVar("ServiceT", bound=Configured)


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt before it is known who answers it; None: as the service's settings say."""

    text: str
    system: str | None = None
    model: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None

    def to(self, config: ServiceConfig) -> Prompt:
        """As it is put to the service of *config*."""
        return Prompt(
            self.text,
            self.model or config.model,
            config.max_tokens if self.max_tokens is None else self.max_tokens,
            self.system,
            self.temperature,
        )

    def among(self, first: ServiceT, others: Iterable[ServiceT]) -> list[tuple[ServiceT, Prompt]]:
        """As it is put to each of several; the model is *first*'s, each other has its own."""
        again = replace(self, model=None)
        return [
            (first, self.to(first.config)),
            *((other, again.to(other.config)) for other in others),
        ]


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


def complaint(prompt: Prompt, *timeouts: float | None) -> str | None:
    """What is wrong with *prompt* or a timeout in seconds; None if nothing is."""
    if not all(timeout is None or (_is_number(timeout) and timeout > 0) for timeout in timeouts):
        return "timeout must be above 0 seconds"
    return next((what for is_right, what in _RULES if not is_right(prompt)), None)
