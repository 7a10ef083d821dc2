"""One limit of a vendor, as its answers tell it.

    told --remaining--> [ unheard | free ] ------reset------> all of the limit again
                              |       |
                              |       + refill
                              + calls on their way, which the remainder may not count

Requests overtake one another, so of answers to calls of about the same time the one that
tells of least was counted last. A call that was answered is counted in that.

Two kinds of limits give the same headers. A fixed window gives nothing back before its
reset; a bucket fills all the time, and its reset is when it will be full. A fixed window's
reset stands still, a bucket's moves with what was used: each answer whose reset fits only
one of the two is a witness. Until a witness speaks for the bucket, nothing is expected back.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Final, NamedTuple, Protocol

from .told import KINDS, Amounts, Kind, WindowTold

__all__ = ["OVERTAKING", "LearnedWindow", "LearnedWindowStats", "Sent"]

#: Seconds by which the two kinds must differ in their resets: vendors round to one second.
_CONTRAST: Final = 2.0
#: At least this long a reset tells anything of how fast a bucket fills.
_TELLING: Final = 5.0
#: Seconds for which a vendor's word alone holds calls back; then one is sent to ask.
_LONGEST_HOLD: Final = 3600.0
_MOST_WITNESSES: Final = 64
#: Requests may overtake one another on their way by about so many seconds.
OVERTAKING: Final = 1.0


@dataclass(frozen=True, slots=True)
class LearnedWindowStats:
    """One window: *remaining* of *limit* (None: untold), all of them again in *reset_after* s.

    *refill* is what comes back each second before that, 0.0 for a fixed window. *key* is the
    place of the key that has it; None: there is only one.
    """

    model: str
    key: int | None
    name: str
    kind: Kind
    limit: int | None
    remaining: float
    reset_after: float
    refill: float

    @property
    def words(self) -> str:
        """How much is left, in words."""
        of = "" if self.limit is None else f" of {self.limit}"
        return f"{int(self.remaining)}{of} {self.name} are left at the service"


class Sent(Protocol):
    """A call: its number, its moment, and what it weighs in each kind of window."""

    generation: int
    stamp: float
    counted: Amounts

    @property
    def first_near(self) -> int:
        """The number of the oldest call that it may overtake."""
        ...


class _Reference(NamedTuple):
    """An earlier answer, to compare with: so much was used, all of it back in *wait*."""

    at: float
    limit: int
    used: int
    wait: float


class LearnedWindow:
    """What may be sent before the vendor says no, by its answers and what is on its way."""

    __slots__ = (
        "_afterwards",
        "_anchor",
        "_believed_at",
        "_called_at",
        "_first_unheard",
        "_reference",
        "_refill",
        "_remaining",
        "_resets_at",
        "_span",
        "_unheard",
        "_witnesses",
        "_witnesses_needed",
        "kind",
        "limit",
        "name",
        "place",
    )

    def __init__(self, name: str, kind: Kind) -> None:
        self.name = name
        self.kind = kind
        #: Where amounts have this window's kind.
        self.place = KINDS.index(kind)
        self.limit: int | None = None
        #: What calls weigh that may not be counted in the remainder, from which call on.
        self._unheard = self._first_unheard = 0
        self._remaining = self._afterwards = inf
        #: The moments of the remainder's answer, and of the call that it answers.
        self._anchor = 0.0
        self._called_at = -inf
        self._resets_at, self._span = inf, 0.0
        self._refill = 0.0
        self._reference: _Reference | None = None
        self._believed_at = inf
        self._witnesses, self._witnesses_needed = 0, 1

    def sent(self, amount: int) -> None:
        """A call of that weight is on its way."""
        self._unheard += amount

    def took_back(self, amount: int, call: Sent) -> None:
        """So much of what *call* weighed was not used."""
        if call.generation >= self._first_unheard:
            self._unheard = max(0, self._unheard - amount)

    def hear(self, told: WindowTold, at: float, call: Sent, unheard: int) -> None:
        """Learn what the answer to *call* told at the moment *at*.

        *unheard* is what the calls weigh that are on their way and not much older.
        """
        self.took_back(call.counted[self.place], call)
        resets_at = at + min(told.reset_after, _LONGEST_HOLD)
        is_less = told.remaining <= self._filled(at)
        is_later = resets_at > self._resets_at + _CONTRAST
        if call.stamp >= self._called_at + OVERTAKING or (is_later and not is_less):
            self._witness(told, at)
            # If it was made when its request came, what has come back since is not in it.
            self._unheard = max(0, unheard - int(self._refill * (at - call.stamp)))
            self._first_unheard = call.first_near
            self._called_at = call.stamp
        elif is_less and self._is_of_now(call, resets_at):
            self._witness(told, at)
            resets_at = max(self._resets_at, resets_at)
            self._called_at = max(self._called_at, call.stamp)
        else:
            return
        self._tell(told, at, resets_at)

    def doubt(self, stamp: float) -> None:
        """A call of the moment *stamp* was refused: if it was let in on a refill, there is none."""
        if stamp >= self._believed_at:
            self._refill, self._witnesses, self._believed_at = 0.0, 0, inf
            self._witnesses_needed = min(2 * self._witnesses_needed, _MOST_WITNESSES)

    def lapse(self, now: float, number: int) -> None:
        """Begin anew with call *number* if the reset is over and no answer has come since."""
        if now >= self._resets_at:
            self._remaining, self._anchor = self._afterwards, now
            # This is a guess: the first answer to a call from now on replaces it.
            self._called_at = now - OVERTAKING
            self._unheard, self._first_unheard = 0, number
            self._resets_at = now + min(self._span, _LONGEST_HOLD)
            # Not told again until then, it is no limit any more.
            self.limit = None if self._afterwards == inf else self.limit
            self._afterwards = inf

    def free(self, now: float) -> float:
        """What may be sent at *now*."""
        if now >= self._resets_at:
            return self._afterwards
        return self._filled(now) - self._unheard

    def fits_at(self, amount: float, now: float) -> float:
        """The moment when *amount* fits, or all that ever will."""
        missing = self.wanted(amount) - self.free(now)
        if missing <= 0:
            return now
        refilled_at = now + missing / self._refill if self._refill else inf
        return min(refilled_at, self._resets_at)

    def wanted(self, amount: float) -> float:
        """*amount*, or the whole limit: an estimate above it would never fit."""
        return amount if self.limit is None else min(amount, self.limit)

    def stats(self, model: str, key: int | None, now: float) -> LearnedWindowStats:
        """A photograph."""
        return LearnedWindowStats(
            model=model,
            key=key,
            name=self.name,
            kind=self.kind,
            limit=self.limit,
            remaining=max(0.0, self.free(now)),
            reset_after=max(0.0, self._resets_at - now),
            refill=self._refill,
        )

    def _filled(self, now: float) -> float:
        filled = self._remaining + self._refill * (now - self._anchor)
        limit = self.limit
        return filled if limit is None or filled <= limit else limit

    def _is_of_now(self, call: Sent, resets_at: float) -> bool:
        """Whether the answer is not much older, nor one of the window before."""
        return call.stamp > self._called_at - OVERTAKING and resets_at > self._resets_at - _CONTRAST

    def _tell(self, told: WindowTold, at: float, resets_at: float) -> None:
        self.limit, self._remaining = told.limit, told.remaining
        self._anchor, self._resets_at = at, resets_at
        self._span = max(self._span, told.reset_after)
        self._afterwards = inf if told.limit is None else told.limit
        if told.reset_after > _LONGEST_HOLD:
            self._afterwards = 1

    def _witness(self, told: WindowTold, at: float) -> None:
        """Hear whether the answer tells a bucket from a fixed window."""
        limit, wait = told.limit, told.reset_after
        if limit is None:
            return
        used, old = limit - told.remaining, self._reference
        if old is None or old.limit != limit or at >= old.at + old.wait:
            self._refer_to(at, limit, used, wait)
        else:
            stood_still = old.wait - (at - old.at)
            moved = used * old.wait / old.used
            if abs(stood_still - moved) >= _CONTRAST:
                is_bucket = abs(wait - moved) < abs(wait - stood_still)
                self._witnesses = self._witnesses + 1 if is_bucket else 0
                self._refer_to(at, limit, used, wait)
        self._refill = 0.0
        if self._witnesses >= self._witnesses_needed:
            self._believed_at = min(self._believed_at, at)
            self._refill = used / wait if wait else 0.0
        else:
            self._believed_at = inf

    def _refer_to(self, at: float, limit: int, used: int, wait: float) -> None:
        """Compare later answers with this one, if it tells enough."""
        is_telling = used > 0 and wait >= _TELLING
        self._reference = _Reference(at, limit, used, wait) if is_telling else None
