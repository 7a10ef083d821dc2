"""How a process is known to be dead: the kernel lets go of its locks, however it ended.

    state.db-owner-5f1c...   locked by the owner itself: it lives
                             nobody's lock: it is dead, and what it reserved counts as spent
                             no such file: nobody knows, and what it reserved stays reserved

No heartbeat: a process that is stopped, or busy for an hour, is still alive.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Final

__all__ = ["Owners"]

_MARK: Final = "-owner-"
_ONCE: Final = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC
_OWNER_ONLY: Final = 0o600


class Owners:
    """The processes that have opened the file at *path*; :attr:`me` is this one, once it has."""

    __slots__ = ("_descriptor", "_path", "me")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self.me = ""

    def enter(self) -> None:
        """Become an owner, under a name that nobody had before."""
        self.me = secrets.token_hex(6)
        self._descriptor = os.open(self._file(self.me), _ONCE, _OWNER_ONLY)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def leave(self) -> None:
        """Let go of the lock: what is still reserved is spent from now on."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def is_dead(self, owner: str) -> bool:
        """Whether the process of *owner* has ended for certain."""
        try:
            descriptor = os.open(self._file(owner), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            # Shared, so that two who look at once don't take each other for the owner.
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return False
        finally:
            os.close(descriptor)
        return True

    def dead(self) -> Iterator[str]:
        """Every owner that is dead and not forgotten."""
        for path in self._path.parent.glob(f"{self._path.name}{_MARK}*"):
            owner = path.name.rpartition(_MARK)[2]
            if self.is_dead(owner):
                yield owner

    def forget(self, owner: str) -> None:
        """Remove the traces of an owner that holds nothing any more."""
        self._file(owner).unlink(missing_ok=True)

    def _file(self, owner: str) -> Path:
        return self._path.with_name(f"{self._path.name}{_MARK}{owner}")
