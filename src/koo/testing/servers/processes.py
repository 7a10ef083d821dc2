"""What the machine tells about processes."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

PROC = Path("/proc")
POLL = 0.005
"""Seconds between two looks at a process."""


def inhabitants(folder: Path, proc: Path = PROC) -> tuple[int, ...]:
    """The processes that work in *folder*; none where there is no /proc.

    Every process of a PostgreSQL server does, also those that outlive their postmaster.
    """
    return tuple(
        int(entry.name)
        for entry in proc.glob("[0-9]*")
        if _works_in(entry, os.path.realpath(folder))
    )


def send(number: signal.Signals, *pids: int) -> None:
    """Send the signal to those that still live."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _works_in(entry: Path, folder: str) -> bool:
    try:
        return str((entry / "cwd").readlink()) == folder
    except OSError:
        return False
