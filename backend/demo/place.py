"""Where the demo's PostgreSQL keeps its data: always in the same folder, one demo at a time."""

from __future__ import annotations

import fcntl
from contextlib import suppress
from pathlib import Path
from typing import IO

from core.config import VAR

__all__ = ["Place"]


class Place:
    """`var/demo/postgres` while nobody else has it, else None: a temporary folder will do."""

    def __init__(self, folder: Path = VAR / "demo") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        # The lock goes when the file is closed, at the latest when this process ends.
        self._file: IO[str] = (folder / "lock").open("w")
        self.data: Path | None = None
        with suppress(BlockingIOError):
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.data = folder / "postgres"

    def leave(self) -> None:
        """Let the next one have it."""
        self._file.close()
