"""A vendor's stream: events out of bytes, and an answer out of events."""

from .listening import LARGEST_ANSWER, CutOff, ErrorInside, Listener, drain
from .sse import Event, EventReader, EventTooLarge

__all__ = [
    "LARGEST_ANSWER",
    "CutOff",
    "ErrorInside",
    "Event",
    "EventReader",
    "EventTooLarge",
    "Listener",
    "drain",
]
