"""One model as it is asked with one key: the vendor's windows for it, and what is on its way.

    let in --> on its way --> landed, and heard: what its answer tells of each window
                   +--------> taken back: never sent, or less than was thought

A window is one model's and one key's, so what an answer tells is heard only here.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Final, Self

from ...resilience import Permit
from .told import Amounts, WindowTold, amounts
from .window import OVERTAKING, LearnedWindow

__all__ = ["Model", "PacedPermit", "minus", "plus"]

_MOST_WINDOWS: Final = 8
_NOTHING: Final[Amounts] = (0, 0, 0, 0)


class Model:
    """The windows of one model and key, all that was ever let in, and what is on its way."""

    __slots__ = ("_admitted", "_checked_at", "_checks", "_landed", "key", "name", "turn", "windows")

    def __init__(self, name: str, key: int | None) -> None:
        self.name = name
        self.key = key
        #: The number of the last call.
        self.turn = 0
        self.windows: dict[str, LearnedWindow] = {}
        self._admitted = self._landed = _NOTHING
        #: The next call's number, and what was let in before it: now, and one or two checks ago.
        self._checks = _Check(1, _NOTHING), _Check(1, _NOTHING)
        self._checked_at = -inf

    def fits_at(self, counted: Amounts, now: float, times: int = 1) -> float:
        """The moment when so much fits, or so many times as much."""
        due = now
        for window in self.windows.values():
            amount = times * counted[window.place]
            if amount > window.free(now):
                due = max(due, window.fits_at(amount, now))
        return due

    def lapse(self, now: float, number: int) -> None:
        """Begin those windows anew with call *number* that are over."""
        for window in self.windows.values():
            window.lapse(now, number)

    def let_in(self, permit: PacedPermit, now: float) -> None:
        """The call of *permit* is on its way."""
        self.turn = permit.generation
        if now >= self._checked_at + OVERTAKING:
            check = _Check(permit.generation, self._admitted)
            stood_still = now >= self._checked_at + 2 * OVERTAKING
            self._checks = check if stood_still else self._checks[1], check
            self._checked_at = now
        permit.near = self._checks[0]
        counted = permit.counted
        self._admitted = plus(self._admitted, counted)
        for window in self.windows.values():
            window.sent(counted[window.place])

    def take_back(self, permit: PacedPermit, unused: Amounts) -> None:
        """So much of what *permit* weighed was not used."""
        for window in self.windows.values():
            window.took_back(unused[window.place], permit)

    def landed(self, permit: PacedPermit) -> None:
        """The call of *permit* is not on its way any more."""
        self._landed = plus(self._landed, permit.counted)

    def hear(self, told: WindowTold, at: float, permit: PacedPermit) -> None:
        """Learn what the answer to *permit*'s call told at the moment *at*."""
        window = self.windows.get(told.name)
        if window is None:
            if len(self.windows) >= _MOST_WINDOWS:
                return
            window = self.windows[told.name] = LearnedWindow(told.name, told.kind)
        place = window.place
        heard = max(self._landed[place], permit.near.admitted[place])
        window.hear(told, at, permit, self._admitted[place] - heard)

    def explain(self, windows: tuple[WindowTold, ...], permit: PacedPermit) -> bool:
        """Whether one of *windows* had too little for the call that was refused."""
        short = [
            window
            for told in windows
            if (window := self.windows.get(told.name)) is not None
            and told.remaining < window.wanted(permit.counted[window.place])
        ]
        for window in short:
            window.doubt(permit.stamp)
        return bool(short)


@dataclass(frozen=True, slots=True)
class _Check:
    """All that had been *admitted* before call *number*."""

    number: int
    admitted: Amounts


class PacedPermit(Permit):
    """A permit that remembers its place among all others; its generation is its number."""

    __slots__ = ("counted", "interval", "model", "near")

    model: Model
    counted: Amounts
    near: _Check
    #: Seconds until the next turn; 0.0 if it had not to wait for one.
    interval: float

    def of(self, model: Model) -> Self:
        """Itself, as leave for a call of *model*."""
        self.model = model
        self.counted = amounts(self.ask)
        self.interval = 0.0
        return self

    @property
    def key(self) -> int | None:
        """The place of the key to send the call with; None: there is only one."""
        return self.model.key

    @property
    def first_near(self) -> int:
        """The number of the oldest call that it may overtake."""
        return self.near.number


def plus(one: Amounts, other: Amounts) -> Amounts:
    """Both together."""
    return one[0] + other[0], one[1] + other[1], one[2] + other[2], one[3] + other[3]


def minus(one: Amounts, other: Amounts) -> Amounts:
    """The first without the second."""
    return one[0] - other[0], one[1] - other[1], one[2] - other[2], one[3] - other[3]
