"""Where the platform remembers limits, money, and what people decided and did: STATE_URL.

With ``memory:`` the records of people are in a file that goes with the process.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path
from typing import Final

from koo.monitoring import Records
from koo.resilience import Store
from koo.stores import Archive, SQLiteStore, connect_store

from .config import get_settings

__all__ = ["archive", "records", "store"]

store: Final[Store] = connect_store(get_settings().state_location)


def _archive() -> Archive:
    if isinstance(store, SQLiteStore):
        return Archive(store.path)
    folder = tempfile.mkdtemp(prefix="koo-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Archive(Path(folder) / "state.db")


archive: Final = _archive()
records: Final = Records.of(archive)
