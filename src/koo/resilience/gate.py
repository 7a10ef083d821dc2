"""Admission: the yes or no before the work.

    gate.admit(ask) --> Permit ----settle(outcome)----> the gate learns how it ended
                   +                +--cancel()-------> nothing was sent, refunded in full
                    +-> Rejected     +--(collected)---> settled as Abandoned, if it holds anything

A gate answers at once and never waits, so no other task can run between its
check and its decision. It returns its refusal; only a policy raises.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import local
from typing import Final, Protocol, final, runtime_checkable

from ..errors import Rejected
from .checking import check_functions, is_a
from .clock import check_clock
from .outcome import ABANDONED, Ask, Outcome

__all__ = [
    "COLLECTOR",
    "Gate",
    "HeldPermit",
    "Issuer",
    "LeasingGate",
    "Permit",
    "TimedPermit",
    "Timekeeper",
    "collected",
]


class _Collector(local):
    """Whether what runs in this thread was called by the collector, between any two steps."""

    is_here = False


COLLECTOR: Final = _Collector()


@contextmanager
def collected() -> Iterator[None]:
    """What is done in the block is perhaps the collector's doing."""
    before, COLLECTOR.is_here = COLLECTOR.is_here, True
    try:
        yield
    finally:
        COLLECTOR.is_here = before


class Issuer(Protocol):
    """The gate as its own permits see it."""

    double_settled_total: int

    def settled(self, permit: Permit, outcome: Outcome) -> None:
        """The call that *permit* allowed ended with *outcome*."""
        ...

    def cancelled(self, permit: Permit) -> None:
        """The call that *permit* allowed was never made."""
        ...


class Permit:
    """Leave to make one call. Settle it or cancel it, once.

    *stamp* is the moment of admission, *generation* the gate's era in which it
    was issued. A second settlement is ignored and counted. A subclass may remember more; what
    its end means, its gate says, in ``settled`` and ``cancelled``.
    """

    __slots__ = ("ask", "done", "gate", "generation", "stamp")

    def __init_subclass__(cls) -> None:
        """Raise TypeError for an end of its own: of a success a policy tells the gate itself."""
        if cls.settle is not Permit.settle or cls.cancel is not Permit.cancel:
            what = "a permit can't end in a way of its own"
            raise TypeError(f"{cls.__name__}: {what}; say it in its gate's settled and cancelled")

    def __init__(self, gate: Issuer, ask: Ask, stamp: float, generation: int) -> None:
        self.gate = gate
        self.ask = ask
        self.stamp = stamp
        self.generation = generation
        self.done = False

    @final
    def settle(self, outcome: Outcome) -> None:
        """Tell the gate that the call was made and how it ended."""
        if self.done:
            self.gate.double_settled_total += 1
            return
        self.done = True
        self.gate.settled(self, outcome)

    @final
    def cancel(self) -> None:
        """Give the permit back: nothing was sent, nothing is counted."""
        if self.done:
            self.gate.double_settled_total += 1
            return
        self.done = True
        self.gate.cancelled(self)

    def seconds(self, now: float) -> float:
        """How long the call has taken *now*, if its gate keeps the time."""
        return now - self.stamp

    def takes_along(self) -> bool:
        """Whether a call inside, which the gate has just refused, may go as part of this one."""
        return False

    def answered(self) -> None:
        """The first item of a stream is there; a gate that times calls stops its watch."""

    def extend_lease(self, until: float) -> None:
        """The attempt may take until the moment *until*; if the permit is a lease, so does that."""


class HeldPermit(Permit):
    """A permit that holds a slot or money; collected unsettled, it settles itself as Abandoned.

    A permit that holds nothing needs no finalizer, which would cost every call.
    """

    __slots__ = ()

    def __del__(self) -> None:
        if not self.done:
            self.done = True
            with collected():
                self.gate.settled(self, ABANDONED)


class Timekeeper(Issuer, Protocol):
    """A gate that times its calls."""

    def answered(self, permit: TimedPermit) -> None:
        """The call that *permit* allowed is being answered."""
        ...

    def takes_along(self, permit: TimedPermit) -> bool:
        """Whether a call just refused may go as part of that of *permit*, around it."""
        ...

    def lease_extended(self, permit: TimedPermit, until: float) -> None:
        """The attempt that *permit* allowed may take until the moment *until*."""
        ...


class TimedPermit(HeldPermit):
    """A permit whose gate counts how long the answer took: *took* seconds, once that is known."""

    __slots__ = ("took",)

    gate: Timekeeper

    def __init__(self, gate: Timekeeper, ask: Ask, stamp: float, generation: int) -> None:
        super().__init__(gate, ask, stamp, generation)
        self.took: float | None = None

    def takes_along(self) -> bool:
        """Whether a call inside, which the gate has just refused, may go as part of this one."""
        return not self.done and self.gate.takes_along(self)

    def answered(self) -> None:
        """The first item of a stream is there."""
        if not self.done:
            self.gate.answered(self)

    def extend_lease(self, until: float) -> None:
        """The attempt may take until the moment *until*."""
        if not self.done:
            self.gate.lease_extended(self, until)

    def seconds(self, now: float) -> float:
        """How long the answer took; how long it is under way *now*, if there is none yet."""
        return super().seconds(now) if self.took is None else self.took


class _Blank(Permit):
    """A permit that is still to be filled in: CPython 3.11 is slow to call a class that does it."""

    __slots__ = ()
    __qualname__ = Permit.__qualname__
    __init__ = object.__init__


def issue(gate: Issuer, ask: Ask, stamp: float, generation: int) -> Permit:
    """What ``Permit()`` gives, 80 ns sooner."""
    permit: Permit = _Blank()
    permit.gate = gate
    permit.ask = ask
    permit.stamp = stamp
    permit.generation = generation
    permit.done = False
    return permit


def check_gate(kind: str, name: object, clock: object, **functions: object) -> None:
    """Raise ValueError unless a gate of this *kind* can have this *name* and these parts."""
    if not is_a(name, str):
        raise ValueError(
            f"{kind}: name must be a string, not {name!r}; messages and metrics show it"
        )
    check_clock(f"{kind} {name!r}", clock)
    check_functions(f"{kind} {name!r}", **functions)


def check_refusal(gate: Gate, answer: object) -> None:
    """Raise TypeError unless *answer*, which is no permit, is a refusal: nobody was let in."""
    if not isinstance(answer, Rejected):
        what = f"admit returned {answer!r}, which lets nobody in"
        raise TypeError(f"{gate.name}: {what}; return a Permit or a Rejected")


class Gate(Protocol):
    """Anything that may refuse a call before it begins."""

    @property
    def name(self) -> str:
        """What messages, metrics and events call it."""
        ...

    def admit(self, ask: Ask) -> Permit | Rejected:
        """Let one call in, or say why not. Never raises, never waits."""
        ...


@runtime_checkable
class LeasingGate(Gate, Protocol):
    """A gate whose permits may be leases, which last as long as an attempt may."""

    def lease_for(self, seconds: float) -> None:
        """Hear from whoever makes attempts that one of them may take so many *seconds*."""
        ...
