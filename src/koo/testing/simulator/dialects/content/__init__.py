"""What a request holds beside its texts, read strictly, and what such a request is answered."""

from . import anthropic, gemini, openai
from .form import NOTHING_ELSE, Call, Carried, Offer, Unreadable, sample, sealed

__all__ = [
    "NOTHING_ELSE",
    "Call",
    "Carried",
    "Offer",
    "Unreadable",
    "anthropic",
    "gemini",
    "openai",
    "sample",
    "sealed",
]
