"""Where the memory of limits and money outlives a process, and is one for several.

A store makes the gates: :class:`SQLiteStore` those that keep their windows, spend and
reservations in a file, ``koo.resilience.MemoryStore`` those that forget.
"""

from .sqlite import SQLiteStore, connect_store

__all__ = ["SQLiteStore", "connect_store"]
