"""Admission: the yes or no before the work.

    gate.admit(ask) --> Permit ----settle(outcome)----> the gate learns how it ended
                   +                +--cancel()-------> nothing was sent, refunded in full
                    +-> Rejected     +--(collected)---> settled as Abandoned, if it holds anything

A gate answers at once and never waits, so no other task can run between its
check and its decision. It returns its refusal; only a policy raises.
"""

from __future__ import annotations

from typing import Protocol

from ..errors import Rejected
from .checking import check_functions, is_a
from .clock import check_clock
from .outcome import ABANDONED, Ask, Outcome

__all__ = ["Gate", "HeldPermit", "Issuer", "Permit"]


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
    was issued. A second settlement is ignored and counted.
    """

    __slots__ = ("ask", "done", "gate", "generation", "stamp")

    def __init__(self, gate: Issuer, ask: Ask, stamp: float, generation: int) -> None:
        self.gate = gate
        self.ask = ask
        self.stamp = stamp
        self.generation = generation
        self.done = False

    def settle(self, outcome: Outcome) -> None:
        """Tell the gate that the call was made and how it ended."""
        if self.done:
            self.gate.double_settled_total += 1
            return
        self.done = True
        self.gate.settled(self, outcome)

    def cancel(self) -> None:
        """Give the permit back: nothing was sent, nothing is counted."""
        if self.done:
            self.gate.double_settled_total += 1
            return
        self.done = True
        self.gate.cancelled(self)


class HeldPermit(Permit):
    """A permit that holds a slot or money; collected unsettled, it settles itself as Abandoned.

    A permit that holds nothing needs no finalizer, which would cost every call.
    """

    __slots__ = ()

    def __del__(self) -> None:
        if not self.done:
            self.done = True
            self.gate.settled(self, ABANDONED)


_bare = object.__new__


def issue(gate: Issuer, ask: Ask, stamp: float, generation: int) -> Permit:
    """What ``Permit()`` gives, 60 ns sooner: CPython 3.11 is slow to call a class."""
    permit = _bare(Permit)
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


class Gate(Protocol):
    """Anything that may refuse a call before it begins."""

    @property
    def name(self) -> str:
        """What messages, metrics and events call it."""
        ...

    def admit(self, ask: Ask) -> Permit | Rejected:
        """Let one call in, or say why not. Never raises, never waits."""
        ...
