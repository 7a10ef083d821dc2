"""Work that is aborted when its time is over: one timer for all that have the same limit.

    run(item, work) --in time----------------------------> what work returns
          |                                                    |
          +--> line of ends --the first is due--> abort(item) -+--> TimeoutError

All wait equally long, so that who began first ends first, and nothing is sorted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

__all__ = ["Deadlined"]

I = TypeVar("I", bound=Hashable)  # noqa: E741
T = TypeVar("T")


class Deadlined(Generic[I]):
    """A limit of *seconds* for each piece of work, kept by *abort* on one event loop."""

    def __init__(self, seconds: float, abort: Callable[[I], object]) -> None:
        self._seconds = seconds
        self._abort = abort
        self._ends: dict[I, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def run(self, item: I, work: Callable[..., T], *args: Any) -> T:  # noqa: ANN401
        """What the blocking-style *work* returns. Raises TimeoutError if *item* was aborted."""
        loop = asyncio.get_running_loop()
        self._ends[item] = end = loop.time() + self._seconds
        if self._timer is None:
            self._timer = loop.call_at(end, self._expire, loop)
        try:
            value = work(*args)
        except BaseException as error:
            if self._ended_late(item) and isinstance(error, Exception):
                raise TimeoutError from error
            raise
        if self._ended_late(item):
            raise TimeoutError
        return value

    def _ended_late(self, item: I) -> bool:
        return self._ends.pop(item, None) is None

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        for item, end in list(self._ends.items()):
            if end > now:
                self._timer = loop.call_at(end, self._expire, loop)
                return
            del self._ends[item]
            self._abort(item)
