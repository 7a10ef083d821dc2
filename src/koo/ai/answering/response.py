"""What came back, from whom, for how much, and after what."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from ...resilience import CallOutcome
from ...values import quickly_made
from ..asking import Message, Part, ToolCall, document_of, said
from ..provider import Completion, Usage

__all__ = ["Response", "response_of"]

_NANO: Final = 10**9
#: What the vendors say of an answer that met a limit before its end.
_CUT_OFF: Final = frozenset(
    {"length", "max_output_tokens", "max_tokens", "model_context_window_exceeded", "model_length"}
)


@quickly_made
@dataclass(frozen=True, slots=True)
class Response:
    """One answer. *waited* is the time in line and between *attempts*, in seconds.

    *usage* None means that the vendor did not say, and the most it could be was debited.
    *parts* are all that it said in its order, if it was more than the text; *raw* is the vendor's
    own document, numbers with a point as Decimal. *is_cached*: it came to an equal request
    before, so that nothing was sent and this one costs nothing.
    """

    text: str
    service: str
    model: str
    finish: str
    usage: Usage | None
    request_id: str | None
    attempts: int
    waited: float
    parts: tuple[Part, ...] = ()
    raw: object = field(default=None, repr=False, compare=False)
    is_cached: bool = False

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """What it asks you to call."""
        return tuple(part for part in self.parts if isinstance(part, ToolCall))

    @property
    def document(self) -> Any:  # noqa: ANN401 - JSON can be anything
        """The JSON that its text is, as a *schema* wants it. ValueError if it is none."""
        return document_of(self.text)

    @property
    def message(self) -> Message:
        """It as what the model said, to go on with. ValueError if it said nothing."""
        return said(self.text, self.parts)

    @property
    def cost_usd(self) -> Decimal | None:
        """What the answer costs; None if nobody knows."""
        if self.usage is None or self.usage.nanousd is None:
            return None
        return Decimal(self.usage.nanousd) / _NANO

    @property
    def is_cut_off(self) -> bool:
        """Whether a limit of tokens ended the text, and not its own end."""
        return self.finish.lower() in _CUT_OFF


def response_of(service: str, outcome: CallOutcome[Completion]) -> Response:
    """The answer with which a call to *service* has ended."""
    whole = outcome.value
    assert whole is not None  # noqa: S101 - an outcome without a value has an error
    return Response(
        whole.text,
        service,
        whole.model,
        whole.finish,
        whole.usage,
        whole.request_id,
        outcome.attempts,
        outcome.waited,
        whole.parts,
        whole.raw,
    )
