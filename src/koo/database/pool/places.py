"""Where every connection of a pool is, and who is next: arithmetic alone.

                 +------------- gone <-----------------+
                 |                |                    |
    dialing --arrive--> [line not empty? the first in it] --no--> idle
                             |yes      ^  ^                |  ^
                             v         |  |          borrow|  |
                           lent <------+--|----------------+  |
                             +--come back-+-- checking <--spare
                             +--part--> closing <--reject-- checking

    dialing + checking + lent + idle + closing <= most

The line is first in, first out; idle connections are last in, first out, so that
those nobody needs grow old at the bottom. Nobody overtakes: while somebody is in
line, an idle connection goes there and not to a newcomer.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

__all__ = ["Places"]

C = TypeVar("C")
W = TypeVar("W")


class Places(Generic[C, W]):
    """How many connections are where, which of them are idle, and the line for one.

    *most* bounds them all together; *max_waiting* bounds how many stand in line for
    one to come back, beyond those for whom one is on its way or may be dialed. Who
    changes a number here has moved a connection; nothing here moves one by itself.
    """

    __slots__ = (
        "checking",
        "closing",
        "dialing",
        "idle",
        "is_paused",
        "lent",
        "line",
        "max_waiting",
        "most",
    )

    def __init__(self, most: int, max_waiting: int) -> None:
        self.most = most
        self.max_waiting = max_waiting
        self.idle: list[C] = []
        self.line: OrderedDict[W, None] = OrderedDict()
        self.lent = self.dialing = self.checking = self.closing = 0
        self.is_paused = False

    @property
    def waiting(self) -> int:
        """How many stand in line."""
        return len(self.line)

    @property
    def usable(self) -> int:
        """How many connections are open and not about to be closed."""
        return self.lent + len(self.idle) + self.checking

    @property
    def taken(self) -> int:
        """How many of the places are taken, whatever for."""
        return self.usable + self.dialing + self.closing

    @property
    def room(self) -> int:
        """How many more connections may be dialed."""
        return max(0, self.most - self.taken)

    @property
    def unserved(self) -> int:
        """How many in line have no connection under way to them."""
        return max(0, len(self.line) - self.dialing - self.checking)

    # -- who wants one --------------------------------------------------------------

    def borrow(self) -> C | None:
        """The idle connection that came back last; None if there is none for a newcomer."""
        if not self.idle or self.line or self.is_paused:
            return None
        self.lent += 1
        return self.idle.pop()

    def join(self, waiter: W) -> bool:
        """Put *waiter* at the end of the line; False if the line is full."""
        if len(self.line) >= self.max_waiting + self.dialing + self.checking + self.room:
            return False
        self.line[waiter] = None
        return True

    def leave(self, waiter: W) -> None:
        """Take *waiter* out of the line, if it still stands there."""
        self.line.pop(waiter, None)

    def spare(self) -> C | None:
        """An idle connection to be looked at for somebody in line whom nothing else will reach."""
        if not self.idle or self.is_paused or not self.unserved:
            return None
        self.checking += 1
        return self.idle.pop()

    def doubt(self) -> None:
        """What was borrowed is looked at first; its borrower joins the line."""
        self.lent -= 1
        self.checking += 1

    # -- what becomes of one --------------------------------------------------------

    def come_back(self, connection: C) -> W | None:
        """A lent one is free: who gets it now, None if it is idle."""
        self.lent -= 1
        return self._free(connection)

    def arrive(self, connection: C) -> W | None:
        """A dialed one is there: who gets it now, None if it is idle."""
        self.dialing -= 1
        return self._free(connection)

    def pass_on(self, connection: C) -> W | None:
        """A checked one is sound: who gets it now, None if it is idle."""
        self.checking -= 1
        return self._free(connection)

    def reject(self) -> None:
        """A checked one is sound, and going to be closed nevertheless."""
        self.checking -= 1
        self.closing += 1

    def look_at(self, connection: C) -> None:
        """An idle one is going to be checked."""
        self.idle.remove(connection)
        self.checking += 1

    def retire(self, connection: C) -> None:
        """An idle one is going to be closed."""
        self.idle.remove(connection)
        self.closing += 1

    def part(self) -> None:
        """A lent one is going to be closed instead of coming back."""
        self.lent -= 1
        self.closing += 1

    def _free(self, connection: C) -> W | None:
        if self.line and not self.is_paused:
            self.lent += 1
            return self.line.popitem(last=False)[0]
        self.idle.append(connection)
        return None
