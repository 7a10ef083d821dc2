"""What was spent, as the outside sees it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..spend import Spend
from .shape import dollars, told

__all__ = ["SpendView", "spend_views"]


@dataclass(frozen=True, slots=True)
class SpendView:
    """What one model of one service cost on one day."""

    day: str = told("The day, UTC.")
    service: str = told("The service.")
    model: str = told("The model; other for those beyond the sixteenth.")
    answers: int = told("Answers that were billed.")
    input_tokens: int = told("Tokens sent.")
    output_tokens: int = told("Tokens that came back.")
    cost_usd: str = told("What they cost.")


def spend_views(spends: Iterable[Spend]) -> tuple[SpendView, ...]:
    """Spends as the outside sees them."""
    return tuple(
        SpendView(
            day=spend.day,
            service=spend.service,
            model=spend.model,
            answers=spend.answers,
            input_tokens=spend.input_tokens,
            output_tokens=spend.output_tokens,
            cost_usd=dollars(spend.nanousd),
        )
        for spend in spends
    )
