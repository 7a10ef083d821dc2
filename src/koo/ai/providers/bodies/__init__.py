"""What a prompt carries, in each vendor's own form, and how much of it can be billed."""

from . import anthropic, chat, gemini, responses
from .form import UNSEEN, CannotCarry, most_input, written

__all__ = [
    "UNSEEN",
    "CannotCarry",
    "anthropic",
    "chat",
    "gemini",
    "most_input",
    "responses",
    "written",
]
