"""Where the memory of limits and money outlives a process, and is one for several.

A store makes the gates: :class:`SQLiteStore` those that keep their windows, spend and
reservations in a file, ``koo.resilience.MemoryStore`` those that forget. An
:class:`Archive` keeps records in the same file: what people decided, and did.
"""

from .archive import Archive, MemoryArchive
from .failures import StoreError
from .sqlite import SQLiteStore, connect_store

__all__ = ["Archive", "MemoryArchive", "SQLiteStore", "StoreError", "connect_store"]
