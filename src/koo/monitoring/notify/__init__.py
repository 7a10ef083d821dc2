"""Telling people: who is told what, when, and how it gets there."""

from __future__ import annotations

from .mutes import INHIBITIONS, Acknowledgement, Mutes, Silence
from .routing import Book, Group, Message, RoutingConfig, decide

__all__ = [
    "INHIBITIONS",
    "Acknowledgement",
    "Book",
    "Group",
    "Message",
    "Mutes",
    "RoutingConfig",
    "Silence",
    "decide",
]
