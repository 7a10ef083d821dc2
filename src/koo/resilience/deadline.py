"""One budget of time for a whole call, inherited by whatever it calls.

    caller's deadline --min--> call's own timeout --min--> attempt's timeout
         (context variable)

A deadline is a moment on the monotonic clock; a timeout is a duration. Between
processes a deadline travels as the milliseconds that are left, because clocks differ.
"""

from __future__ import annotations

from asyncio import Task, get_running_loop
from collections.abc import Coroutine
from contextvars import Context, ContextVar, Token
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from .checking import check_finite

__all__ = [
    "CURRENT",
    "Deadline",
    "Progress",
    "current_attempt",
    "current_deadline",
    "detached",
    "leave",
    "running_call",
]

T = TypeVar("T")

_LONGEST_HEADER = 12
#: Some thirty years; who has more is sent no more.
_MOST_MS = 10**_LONGEST_HEADER - 1


@dataclass(frozen=True, slots=True, order=True)
class Deadline:
    """The moment *at* (monotonic seconds) when a call's time is over."""

    at: float

    def __post_init__(self) -> None:
        """Refuse what is no moment."""
        check_finite(self, "at")

    @classmethod
    def after(cls, seconds: float, now: float) -> Deadline:
        """The deadline *seconds* from *now*."""
        return cls(now + seconds)

    def remaining(self, now: float) -> float:
        """Seconds that are left, never negative."""
        return max(0.0, self.at - now)

    def expired(self, now: float) -> bool:
        """Whether the time is over."""
        return now >= self.at

    def to_header(self, now: float) -> str:
        """What is left, as whole milliseconds rounded down, for a request header."""
        return str(int(min(self.remaining(now) * 1000, _MOST_MS)))

    @classmethod
    def from_header(cls, text: str, now: float) -> Deadline:
        """The deadline that a caller sent as milliseconds.

        Raises ValueError for anything but 1 to 12 digits.
        """
        if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_HEADER):
            message = "Deadline: the header is not a number of milliseconds; send 1 to 12 digits"
            raise ValueError(message)
        return cls(now + int(text) / 1000)


class Progress(Protocol):
    """The call that is running now, as far as its callees may know it."""

    #: Whether a call inside gave up in this attempt and raised nothing that could say so.
    gave_up_inside: bool

    @property
    def deadline_at(self) -> float | None:
        """The moment when its time is over, if it has one."""
        ...

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1, counted through all policies around it."""
        ...

    @property
    def outer(self) -> Progress | None:
        """The call around it, if there is one."""
        ...

    @property
    def has_ended(self) -> bool:
        """Whether its attempt is over, though the context may still name it."""
        ...


CURRENT: ContextVar[Progress | None] = ContextVar("koo_call", default=None)


def leave(token: Token[Progress | None]) -> None:
    """Have the context name what it named before *token*, if it is still the same context."""
    try:  # noqa: SIM105 - suppress() takes six times as long
        CURRENT.reset(token)
    except ValueError:
        # Entered in one task and left in another, or closed by the collector, after its loop:
        # that context has gone its own way.
        pass


def running_call() -> Progress | None:
    """The innermost call of this context that has not ended.

    One that has may still be named there: a generator that nobody reads on is closed in a context
    of its own, and two blocks may be left in another order than they were entered.
    """
    call = CURRENT.get()
    while call is not None and call.has_ended:
        call = call.outer
    return call


def current_deadline() -> Deadline | None:
    """The deadline that the running call has inherited or set, if any."""
    call = running_call()
    if call is None or call.deadline_at is None:
        return None
    return Deadline(call.deadline_at)


def current_attempt() -> int:
    """Which attempt is running, from 1; 0 outside every policy. Send it downstream."""
    call = running_call()
    return 0 if call is None else call.attempt


def detached(work: Coroutine[Any, Any, T], *, name: str | None = None) -> Task[T]:
    """A task running *work* in an empty context, so that no caller's deadline leaks into it."""
    return get_running_loop().create_task(work, name=name, context=Context())
