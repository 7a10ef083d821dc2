"""Whole answers with all that is known of them, from one service or from the first that will do."""

from .kept import ResponseCache
from .response import Response, response_of
from .turns import Worth, ask_in_turn, is_worth_another, last_of

__all__ = [
    "Response",
    "ResponseCache",
    "Worth",
    "ask_in_turn",
    "is_worth_another",
    "last_of",
    "response_of",
]
