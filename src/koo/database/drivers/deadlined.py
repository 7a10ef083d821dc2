"""Work that is aborted when its time is over: one timer for all that have the same limit.

    run(item, work) --in time----------------------------> what work returns
          |                                                    |
          +--> line of ends --the first is due--> abort(item) -+--> what *late* makes

All wait equally long, so that who began first ends first, and nothing is sorted.

A busy loop may find an answer and the end of its time in the same turn: then the connection is
torn off before anybody hears of the answer, and that counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Any, Final, Generic, TypeVar

from . import abort

__all__ = ["Countdown", "Deadlined"]

Item = TypeVar("Item", bound=Hashable)
T = TypeVar("T")

_MOMENT: Final = 0.025


class Deadlined(Generic[Item]):
    """A limit of *seconds* for each piece of work, kept by *abort* on the running event loop.

    Whoever was aborted gets the error that *late* makes.
    """

    def __init__(
        self,
        seconds: float,
        abort: Callable[[Item], object],
        now: Callable[[], float],
        late: Callable[[], Exception],
    ) -> None:
        self._seconds = seconds
        self._abort = abort
        self._now = now
        self._late = late
        self._loop = asyncio.get_running_loop()
        self._ends: dict[Item, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def run(self, item: Item, began: float, work: Callable[..., T], *args: Any) -> T:
        """What the blocking-style *work* returns, which began just now, at *began*.

        Raises what *late* makes if *item* was aborted.
        """
        ends = self._ends
        ends[item] = began + self._seconds
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._expire)
        try:
            value = work(*args)
        except BaseException as error:
            if ends.pop(item, None) is None and isinstance(error, Exception):
                raise self._late() from error
            raise
        if ends.pop(item, None) is None:
            raise self._late()
        return value

    def _expire(self) -> None:
        self._timer = None
        now = self._now()
        for item, end in list(self._ends.items()):
            if end > now:
                self._timer = self._loop.call_later(end - now, self._expire)
                return
            del self._ends[item]
            self._end(item)

    def _end(self, item: Item) -> None:
        try:
            self._abort(item)
        except Exception as error:  # noqa: BLE001 - the others have their limits all the same
            words = "a connection whose time is over was not torn off"
            self._loop.call_exception_handler({"message": words, "exception": error})


class Countdown:
    """Tears a driver's *connection* off after *seconds*, unless it is stopped before.

    The last moment of them begins when the loop turns: one that stood still could not hear, and
    what has come meanwhile is heard first.
    """

    def __init__(self, seconds: float, connection: object) -> None:
        self.is_over = False
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(max(0.0, seconds - _MOMENT), self._listen)

    def stop(self) -> None:
        """Nothing happens from now on; what *is_over* stays so."""
        self._timer.cancel()

    def _listen(self) -> None:
        self._timer = self._loop.call_later(_MOMENT, self._end)

    def _end(self) -> None:
        self.is_over = True
        abort(self._connection)
