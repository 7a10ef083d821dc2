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
    """A limit of *seconds* for each piece of work, kept by *abort* on the running event loop."""

    def __init__(
        self, seconds: float, abort: Callable[[I], object], now: Callable[[], float]
    ) -> None:
        self._seconds = seconds
        self._abort = abort
        self._now = now
        self._loop = asyncio.get_running_loop()
        self._ends: dict[I, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def run(self, item: I, began: float, work: Callable[..., T], *args: Any) -> T:  # noqa: ANN401
        """What the blocking-style *work* returns, which began just now, at *began*.

        Raises TimeoutError if *item* was aborted.
        """
        ends = self._ends
        ends[item] = began + self._seconds
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._expire)
        try:
            value = work(*args)
        except BaseException as error:
            if ends.pop(item, None) is None and isinstance(error, Exception):
                raise TimeoutError from error
            raise
        if ends.pop(item, None) is None:
            raise TimeoutError
        return value

    def _expire(self) -> None:
        self._timer = None
        now = self._now()
        for item, end in list(self._ends.items()):
            if end > now:
                self._timer = self._loop.call_later(end - now, self._expire)
                return
            del self._ends[item]
            self._abort(item)
