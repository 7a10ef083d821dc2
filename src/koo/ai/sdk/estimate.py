"""The most that a call will take, said before it by whoever makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Self

from ..asking.purse import WRONG_COST, is_cost
from ..provider import Usage
from .arguments import OTHER_MODELS, SERVER_TOOLS, Arguments

__all__ = ["Estimate"]

#: What is in no usage, or at a price that none tells.
_UNTOLD: Final = frozenset({OTHER_MODELS, SERVER_TOOLS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """At most so many tokens go in and come out; *model* is who is asked, None: the service's own.

    Too much only keeps others waiting until the call is settled; too little is debited all the
    same, but may pass the day's budget. *max_cost* (USD) is the most that the call may cost:
    what could cost more is refused, and what has no upper bound is refused without it. *unbounded*
    names what of the call has none.
    """

    input_tokens: int
    output_tokens: int
    model: str | None = None
    max_cost: Decimal | None = None
    unbounded: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what would reserve nothing."""
        if self.input_tokens < 0 or self.output_tokens < 1:
            raise ValueError(
                "Estimate: input_tokens must be 0 or more and output_tokens at least 1;"
                " say the most that the call can take"
            )
        if not is_cost(self.max_cost):
            raise ValueError(f"Estimate: {WRONG_COST}")

    @classmethod
    def of(
        cls, asked: Mapping[str, object], *, max_tokens: int, max_cost: Decimal | None = None
    ) -> Self:
        """That of the arguments of an SDK's method, each of whose answers has *max_tokens* at most.

        No token is shorter than a byte, so the bytes of the arguments as JSON bound the input, with
        what a vendor writes around tools and schemas. Pictures, files and what the vendor adds of
        its own (stored contexts, its tools and searches, requests, other models) have no such
        bound, and need *max_cost*.
        """
        arguments, model = Arguments.of(asked), asked.get("model")
        return cls(
            input_tokens=arguments.input_tokens,
            output_tokens=max_tokens * arguments.answers,
            model=model if isinstance(model, str) else None,
            max_cost=max_cost,
            unbounded=arguments.unbounded,
        )

    def known(self, usage: Usage | None) -> Usage | None:
        """*usage* if it can hold all that is billed.

        What tools of the vendor's cost, none does; nor whose price it is, if others may answer.
        """
        if usage is None or usage.nanousd is not None or _UNTOLD.isdisjoint(self.unbounded):
            return usage
        return None
