"""The line before a gate: who has patience waits here, first come first served.

    refused --join--> [priority 0: a b c] [priority 1: d e] --serve--> head gets a permit
                          |                                     +-> or is told when to ask again
                          +--leave (gave up, deadline, cancelled)

While the line is not empty, newcomers join its end, so a large request can't be
starved by small ones. Who waits holds no permit. A line decides; only the policy
that put a waiter into it waits.

Who is called asks other gates at once, and may have to stand in the line of one of
them. So lines move one after another: what is given back meanwhile is given out only
when all of it is back. Nobody is refused for a permit that another has for a moment,
and the first of all is refused only by calls that run.

All in one line wait on one event loop, its home, and only there it moves: a permit
that another thread gives back only calls home. Loops one after another may use the
same gate; of two that run at the same time the second is told, and not left to hang.

What a call gives back is given out once all its gates know how it has ended: nobody is
sent to a dependency that has just asked for a pause, or through a breaker that opens.
The collector gives back between any two steps what nobody has settled. So it, too, only
calls home: who is called asks gates, and one of them may be in the midst of an answer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from threading import local
from typing import Final, Protocol

from ..errors import Rejected, Saturated
from .clock import Clock
from .gate import COLLECTOR, Permit, check_gate
from .outcome import Ask

__all__ = ["LINES", "Home", "Line", "LinedGate", "Waiter", "hold_lines"]

CAPACITY: Final = 1000
#: Every line that there is, by its id: while there is none, nobody has to be held back.
LINES: Final[set[int]] = set()


class Home(Protocol):
    """Where callers wait: an event loop. Two are equal if it is the same."""

    @property
    def is_elsewhere(self) -> bool:
        """Whether another thread runs it."""
        ...

    @property
    def is_gone(self) -> bool:
        """Whether nobody who waits there will ever hear of anything."""
        ...

    def call(self, action: Callable[[], object]) -> None:
        """Have *action* called there, soon."""
        ...


class Waiter(Protocol):
    """One caller in line."""

    @property
    def home(self) -> Home:
        """Where it waits."""
        ...

    @property
    def ask(self) -> Ask:
        """What it wants."""
        ...

    @property
    def arrived(self) -> float:
        """Its place in every line it joins: the higher, the later it first came."""
        ...

    def grant(self, permit: Permit) -> bool:
        """Take *permit*; False if the caller has gone."""
        ...

    def refuse(self, rejection: Rejected) -> None:
        """Hear that waiting has become useless."""
        ...

    def can_wait(self, seconds: float) -> bool:
        """Whether its patience lasts for *seconds*."""
        ...

    def serve_in(self, seconds: float, gate: LinedGate) -> None:
        """Being first in line, call ``gate.serve()`` in *seconds*."""
        ...


class Line:
    """Waiters by priority, then by arrival."""

    __slots__ = ("_queues", "asked", "home", "size")

    def __init__(self, home: Home) -> None:
        self.home = home
        self.size = 0
        #: What all of them together ask for, weight by weight.
        self.asked = (0, 0, 0)
        self._queues: dict[int, deque[Waiter]] = {}
        LINES.add(id(self))

    def __del__(self) -> None:
        LINES.discard(id(self))

    def put(self, waiter: Waiter) -> None:
        """Take the place that priority and arrival give."""
        queue = self._queues.setdefault(waiter.ask.priority, deque())
        place = len(queue)
        while place and queue[place - 1].arrived > waiter.arrived:
            place -= 1
        queue.insert(place, waiter)
        self.size += 1
        self._count(waiter, 1)

    def remove(self, waiter: Waiter) -> bool:
        """Leave; False if it was not in line."""
        queue = self._queues.get(waiter.ask.priority)
        if queue is None or waiter not in queue:
            return False
        queue.remove(waiter)
        self._forget_if_empty(waiter.ask.priority)
        self.size -= 1
        self._count(waiter, -1)
        return True

    def head(self) -> Waiter | None:
        """Who is next."""
        return self._queues[min(self._queues)][0] if self._queues else None

    def stands_before(self, waiter: Waiter) -> bool:
        """Whether somebody here comes before *waiter*."""
        head = self.head()
        return head is not None and _rank(head) < _rank(waiter)

    def _count(self, waiter: Waiter, sign: int) -> None:
        requests, tokens, nanousd = waiter.ask.weights
        mine = self.asked
        self.asked = (
            mine[0] + sign * requests,
            mine[1] + sign * tokens,
            mine[2] + sign * nanousd,
        )

    def _forget_if_empty(self, priority: int) -> None:
        if not self._queues[priority]:
            del self._queues[priority]


def _rank(waiter: Waiter) -> tuple[int, float]:
    return waiter.ask.priority, waiter.arrived


class _Thread(local):
    """The gates whose lines are to move in this thread, one after another."""

    def __init__(self) -> None:
        self.due: dict[LinedGate, None] = {}
        self.is_moving = False

    def move(self) -> None:
        """Move every line that is due."""
        try:
            while self.due:
                gate = next(iter(self.due))
                del self.due[gate]
                gate._move()  # noqa: SLF001 - gates in this thread move one another's lines
        finally:
            self.is_moving = False


_THREAD: Final = _Thread()
_NOBODY: Final = nullcontext()


def hold_lines() -> AbstractContextManager[None]:
    """No line moves in this thread until the block is over."""
    return _hold_lines() if LINES else _NOBODY


@contextmanager
def _hold_lines() -> Iterator[None]:
    thread = _THREAD
    if thread.is_moving:
        yield
        return
    thread.is_moving = True
    try:
        yield
    finally:
        thread.move()


class LinedGate:
    """What gates share that let callers wait: the order of service."""

    __slots__ = (
        "__weakref__",
        "_clock",
        "_line",
        "_monotonic",
        "_rejected_total",
        "_serving",
        "double_settled_total",
        "name",
    )

    def __init__(self, name: str, clock: Clock) -> None:
        check_gate(type(self).__name__, name, clock)
        self.name = name
        self.double_settled_total = 0
        self._clock = clock
        self._monotonic = clock.monotonic
        # Refusals that stand: who waits has not been refused.
        self._rejected_total = 0
        self._line: Line | None = None
        self._serving = False

    def admit(self, ask: Ask) -> Permit | Rejected:
        """Let a call in, or refuse it, with this gate as its line if it may wait.

        While anybody waits, ``must_line_up`` refuses newcomers.
        """
        raise NotImplementedError

    @property
    def must_line_up(self) -> bool:
        """Whether who asks has to wait behind others; never for who comes before them."""
        return self._line is not None and not self._serving

    @property
    def waiting(self) -> int:
        """How many callers are in line."""
        return self._line.size if self._line else 0

    def join(self, waiter: Waiter) -> Saturated | None:
        """Put *waiter*, whom ``admit`` has refused, in line, or say that the line is full.

        Raises RuntimeError if callers of another event loop stand in it.
        """
        line = self._line_of(waiter.home)
        if line.size >= CAPACITY:
            return Saturated(self.name, None, f"{CAPACITY} calls are waiting")
        line.put(waiter)
        self._rejected_total -= 1
        self.serve()
        return None

    def leave(self, waiter: Waiter) -> None:
        """Take *waiter* out of the line; who stood behind may be served."""
        line = self._line
        if line is None or self._is_left_to(line.home, partial(self.leave, waiter)):
            return
        if line.remove(waiter):
            self.serve()

    def stand_by_refusal(self) -> None:
        """Count a refusal that was taken for a wait, as ``join`` does, and stands after all."""
        self._rejected_total += 1

    def serve(self) -> None:
        """Give permits to the head of the line while they last; other lines that move go first."""
        line = self._line
        if line is None or self._is_left_to(line.home, self.serve):
            return
        thread = _THREAD
        thread.due[self] = None
        if not thread.is_moving:
            thread.is_moving = True
            thread.move()

    def admit_waiter(self, waiter: Waiter) -> Permit | Rejected:
        """Let in who waits, here or elsewhere, or refuse it; it stands back for who came before."""
        if self._line is not None and self._line.stands_before(waiter):
            return self.admit(waiter.ask)
        return self._admit_first(waiter.ask)

    def _admit_first(self, ask: Ask) -> Permit | Rejected:
        self._serving = True
        try:
            return self.admit(ask)
        finally:
            self._serving = False

    def _move(self) -> None:
        line = self._line
        while line is not None and (head := line.head()) is not None and self._serve(head, line):
            pass
        if line is not None and not line.size:
            self._line = None

    def _line_of(self, home: Home) -> Line:
        if self._line is None or self._line.home.is_gone:
            self._line = Line(home)
        if self._line.home != home:
            message = (
                f"{type(self).__name__} {self.name!r}: callers of another event loop wait in its"
                " line; give each loop that runs at the same time a gate of its own"
            )
            raise RuntimeError(message)
        return self._line

    def _is_left_to(self, home: Home, action: Callable[[], object]) -> bool:
        """Whether *action* on the line is not for here and now; then *home* is told to do it."""
        if home.is_gone:
            self._line = None
            return True
        if home.is_elsewhere or COLLECTOR.is_here:
            home.call(action)
            return True
        return False

    def _serve(self, head: Waiter, line: Line) -> bool:
        answer = self._admit_first(head.ask)
        if isinstance(answer, Permit):
            line.remove(head)
            if not head.grant(answer):
                answer.cancel()
            return True
        due = answer.retry_after
        if answer.line is None or (due is not None and not head.can_wait(due)):
            line.remove(head)
            head.refuse(answer)
            return True
        self._rejected_total -= 1
        if due is not None:
            head.serve_in(due, self)
        return False

    def _may_wait(self, rejection: Rejected) -> Rejected:
        if self._line is not None and self._line.home.is_gone:
            # Who has no patience must not stand back for those who will never be called.
            self._line = None
        rejection.line = self
        return rejection
