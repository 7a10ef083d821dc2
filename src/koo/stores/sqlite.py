"""A store in one SQLite file: survives restarts, and several processes of a machine share it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from ..resilience import (
    SYSTEM_CLOCK,
    Clock,
    DailyBudget,
    DailyBudgetConfig,
    Listener,
    MemoryStore,
    RateLimiter,
    RateLimiterConfig,
    Store,
    ignore,
)
from .budget import SharedBudget, bury
from .file import StateFile
from .limiter import SharedLimiter
from .schema import boot_of_machine

__all__ = ["SQLiteStore", "connect_store"]

_MEMORY: Final = "memory:"
_SQLITE: Final = "sqlite:///"


class SQLiteStore:
    """Gates whose memory is in the file at *path*, made if it is missing.

    Each reservation and each settlement is one transaction, so that all processes of
    this machine together never pass a limit. A file on a network is not shared safely.
    Nothing is opened before the first call. *boot* tells one start of the machine from
    another.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, clock: Clock = SYSTEM_CLOCK, boot: str | None = None
    ) -> None:
        self.path = Path(path).absolute()
        self._clock = clock
        boot = boot_of_machine() if boot is None else boot
        self._file = StateFile(self.path, clock, boot, bury=bury)

    def __repr__(self) -> str:
        return f"SQLiteStore({str(self.path)!r})"

    def limiter(
        self, name: str, config: RateLimiterConfig, *, on_event: Listener = ignore
    ) -> RateLimiter:
        """The rate limiter called *name*; one of that name in each process."""
        clock = _StoreClock(self._file, self._clock)
        return SharedLimiter(name, config, self._file, clock=clock, on_event=on_event)

    def budget(self, name: str, config: DailyBudgetConfig) -> DailyBudget:
        """The daily budget called *name*; one of that name in each process."""
        return SharedBudget(name, config, self._file, self._clock)

    def limiter_and_budget(
        self,
        name: str,
        limits: RateLimiterConfig,
        budget: DailyBudgetConfig,
        *,
        on_event: Listener = ignore,
    ) -> tuple[RateLimiter, DailyBudget]:
        """Both called *name*, to be passed in this order: one transaction admits by both."""
        follower = SharedBudget(name, budget, self._file, self._clock)
        clock = _StoreClock(self._file, self._clock)
        leader = SharedLimiter(
            name, limits, self._file, clock=clock, on_event=on_event, follower=follower
        )
        return leader, follower

    def close(self) -> None:
        """Try once more to write what is owed, and let go of the file; used again, it opens.

        What is still reserved counts as spent from now on.
        """
        for account in tuple(self._file.debtors):
            account.repeat()
        self._file.close()


class _StoreClock:
    """The store's time for what outlives a process, the wall clock for what people read."""

    __slots__ = ("monotonic", "sleep", "time")

    def __init__(self, file: StateFile, clock: Clock) -> None:
        self.monotonic = file.now
        self.time = clock.time
        self.sleep = clock.sleep


def connect_store(url: str, *, clock: Clock = SYSTEM_CLOCK) -> Store:
    """The store at *url*: ``memory:``, or ``sqlite:///`` and the path of a file.

    As with SQLAlchemy a path is relative after three strokes, absolute after four.
    """
    if url == _MEMORY:
        return MemoryStore(clock=clock)
    path = url.removeprefix(_SQLITE)
    if path == url or not path or path.startswith(":"):
        raise ValueError(f"store: the URL must be {_MEMORY} or {_SQLITE} and the path of a file")
    return SQLiteStore(path, clock=clock)
