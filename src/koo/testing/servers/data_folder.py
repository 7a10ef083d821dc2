"""What PostgreSQL keeps on the disk: ``data``, with the lock file of who serves it, and ``log``."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from .processes import POLL, inhabitants

INITDB = ("-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
LEAVING = 5.0
"""Seconds for the processes of an earlier server to leave."""
STATUS_LINE = 7
TAIL = 2000


class DataFolder:
    """The files of one server below *folder*."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "log"
        self._lock = self.data / "postmaster.pid"

    def make(self, initdb: list[str | Path], terms: dict[str, Any]) -> None:
        """Make a new cluster, unless there is one.

        It grows beside its place and is renamed at the end: a folder ``data`` is always complete.
        """
        if self.data.exists():
            return
        unfinished = self.folder / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        command = [*initdb, "-D", unfinished, *INITDB]
        made = subprocess.run(command, check=False, capture_output=True, text=True, **terms)
        if made.returncode:
            raise RuntimeError(f"postgres: initdb failed; it says: {made.stderr[-TAIL:].strip()}")
        unfinished.rename(self.data)

    def take_over(self) -> None:
        """Remove the lock file of a killed server, once none of its processes is left.

        Raises ``RuntimeError`` if a server lives here.
        """
        end = time.monotonic() + LEAVING
        while others := inhabitants(self.data):
            if time.monotonic() > end:
                raise RuntimeError(
                    f"postgres: process {others[0]} already serves {self.data}; "
                    "stop it or give another folder"
                )
            time.sleep(POLL)
        self._lock.unlink(missing_ok=True)

    def is_ready(self, pid: int) -> bool:
        """Whether process *pid* says so; a killed server's lock file says "ready" for ever."""
        try:
            lines = self._lock.read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > STATUS_LINE and (lines[0], lines[STATUS_LINE].strip()) == (
            str(pid),
            "ready",
        )

    def end_of_log(self) -> str:
        """The last lines of the log."""
        return self.log.read_text(errors="replace")[-TAIL:].strip()
