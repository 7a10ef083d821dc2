"""What is asked, before it is known who answers, and as it is put to one service.

Prompt --put to a service, whose settings fill in what it leaves open--> Question
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Prompt", "Question"]


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is asked, of whichever service; None: as the service's settings say."""

    text: str
    system: str | None = None
    model: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """*prompt*, put to *model*, which may answer with at most *max_tokens*.

    *streams*: the answer is to come piece by piece.
    """

    prompt: Prompt
    model: str
    max_tokens: int
    streams: bool = False
