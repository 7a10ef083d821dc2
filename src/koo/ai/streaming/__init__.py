"""Answers that come piece by piece, from one service or from the first of several."""

from .answers import AIStream, Telling, Times
from .chain import Part, relay

__all__ = ["AIStream", "Part", "Telling", "Times", "relay"]
