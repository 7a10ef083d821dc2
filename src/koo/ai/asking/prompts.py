"""What is asked, before it is known who answers, and as it is put to one service.

Prompt --put to a service, whose settings fill in what it leaves open--> Question
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, TypeAlias

from ...values import quickly_made
from .content import Image, Message, Tool
from .purse import Purse

__all__ = ["Prompt", "Question", "ToolChoice"]

#: May the model call a tool (``auto``), not (``none``), must it (``required``), or that one?
ToolChoice: TypeAlias = Literal["auto", "none", "required"] | Tool


@quickly_made
@dataclass(frozen=True, slots=True)
class Prompt:
    """What is asked, of whichever service; None: as the service's settings say.

    *messages* are a conversation, or the one text that the user says. *tools* may be called,
    as *tool_choice* has it; an answer is JSON of *schema* if there is one. *max_cost* (USD) is
    the most that the call may cost, with all its attempts and fallbacks; what could cost more
    is refused unsent.
    """

    messages: str | Sequence[Message]
    system: str | None = None
    model: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    max_cost: Decimal | None = None
    tools: Sequence[Tool] = ()
    schema: Mapping[str, object] | None = None
    tool_choice: ToolChoice = "auto"

    @property
    def images(self) -> tuple[Image, ...]:
        """All pictures in it."""
        if isinstance(self.messages, str):
            return ()
        return tuple(image for message in self.messages for image in message.images)

    @property
    def text(self) -> str:
        """All texts in it."""
        if isinstance(self.messages, str):
            return self.messages
        return "\n".join(filter(None, (message.text for message in self.messages)))


@quickly_made
@dataclass(frozen=True, slots=True)
class Question:
    """*prompt*, put to *model*, which may answer with at most *max_tokens*.

    *purse* holds what the call may still cost, None if it is not limited. *streams*: the
    answer is to come piece by piece.
    """

    prompt: Prompt
    model: str
    max_tokens: int
    purse: Purse | None = None
    streams: bool = False
