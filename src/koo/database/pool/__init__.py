"""The pool: who gets a connection when, and what becomes of it.

lending   what SQLAlchemy calls: hand out, take back
keeper    the line, and the background work that serves it
places    where every connection is; growth: when to open another (both only arithmetic)
slots     one connection, and one who waits; holders: who has one; counts: all of them
"""

from .counts import COMPONENT, Frequency, PoolCounts, PoolStats, Terms
from .keeper import Keeper
from .lending import WatchedPool, doubt_after
from .slots import HOLDING, NEVER, OUTDATED, Slot, slot_if_any, slot_of
from .waiting import PoolExhausted

__all__ = [
    "COMPONENT",
    "HOLDING",
    "NEVER",
    "OUTDATED",
    "Frequency",
    "Keeper",
    "PoolCounts",
    "PoolExhausted",
    "PoolStats",
    "Slot",
    "Terms",
    "WatchedPool",
    "doubt_after",
    "slot_if_any",
    "slot_of",
]
