"""A daily budget that a restart does not forget, and that several processes share.

    head: {"ends_at": 1773187200.0, "spent": 120, "late": 0, "reserved": {"5f1c.0": 300}}

What is reserved is booked under its process and its gate. When a process has died, what it had
reserved is spent: nobody can know what it sent before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from threading import get_ident
from typing import Any, Final

from ..errors import Rejected, StoreUnavailable
from ..resilience import (
    Ask,
    Clock,
    DailyBudget,
    DailyBudgetConfig,
    DailyBudgetStats,
    Permit,
)
from .account import Account
from .file import Row, StateFile

__all__ = ["SharedBudget", "bury"]

_EMPTY: Final = ('{"ends_at": -Infinity, "spent": 0, "late": 0, "reserved": {}}', "")
#: How often who is first in line looks whether another process has made room.
_POLL: Final = 0.25


class SharedBudget(DailyBudget):
    """A daily budget whose money is in *file*."""

    __slots__ = (
        "_kept",
        "_others",
        "_others_text",
        "_others_total",
        "_owners",
        "_serial",
        "account",
        "decide",
    )

    def __init__(
        self,
        name: str,
        config: DailyBudgetConfig,
        file: StateFile,
        clock: Clock,
    ) -> None:
        super().__init__(name, config, clock=clock)
        self._owners = file.owners
        # Two gates of one name in one process are as strange to each other as two processes.
        self._serial = next(file.serials)
        self.account = Account(file, self, f"budget:{name}", _EMPTY)
        # Bound once: every call needs it.
        self.decide = super().admit
        self._note_others({})
        #: By thread, what was answered to who will ask, and the permit that will lead to it.
        self._kept: dict[int, tuple[Permit, Permit | Rejected]] = {}

    def admit(self, ask: Ask) -> Permit | Rejected:
        """Reserve ``ask.nanousd`` of today's money in the file, or say why not."""
        if self.must_line_up:
            # Another process may have made room, and who stands in line comes first.
            self.serve()
        answer = self._kept_answer(ask) or self.account.admit(ask)[0]
        if isinstance(answer, Permit):
            return answer
        if answer.line is self and self._bury_the_dead():
            self._rejected_total -= 1
            (answer,) = self.account.admit(ask)
        if isinstance(answer, StoreUnavailable):
            self._rejected_total += 1
            if self._serving:
                # Who is in line already keeps the place while the file can't be had.
                return self._may_wait(answer)
        return answer

    def serve(self) -> None:
        """Give permits to the head of the line; only once a transaction is committed."""
        if self.account.is_busy:
            self.account.must_serve = True
        else:
            super().serve()

    def stats(self) -> DailyBudgetStats:
        """A photograph of what all processes together have spent and reserved."""
        trouble = self.account.look()
        return replace(super().stats(), trouble=trouble)

    # -- what the gate before it asks ---------------------------------------------------------

    @property
    def has_line(self) -> bool:
        """Whether somebody waits here, so that who comes is not to be answered unasked."""
        return self._line is not None

    def answer_later(self, leading: Permit, answer: Permit | Rejected) -> Permit | None:
        """Keep *answer* for the call that *leading* lets in, which asks next in this thread.

        The permit among it, if it is one.
        """
        thread = get_ident()
        forgotten = self._kept.pop(thread, None)
        self._kept[thread] = leading, answer
        if forgotten is not None:
            self._take_back(forgotten[1])
        return answer if isinstance(answer, Permit) else None

    def withdraw(self, leading: Permit) -> None:
        """Take back what is kept for the call that *leading* had let in, if it has not asked."""
        thread = get_ident()
        kept = self._kept.get(thread)
        if kept is not None and kept[0] is leading:
            del self._kept[thread]
            self._take_back(kept[1])

    def _kept_answer(self, ask: Ask) -> Permit | Rejected | None:
        kept = self._kept.pop(get_ident(), None)
        if kept is None:
            return None
        leading, answer = kept
        if leading.ask is ask or leading.ask == ask:
            return answer
        # Whoever comes instead, it will not be told to somebody else.
        self._take_back(answer)
        return None

    def _take_back(self, answer: Permit | Rejected) -> None:
        if isinstance(answer, Permit):
            answer.cancel()
        else:
            self._rejected_total -= 1

    # -- what the account asks ----------------------------------------------------------------

    def tell(self) -> Row:
        """The day, its money, and who has reserved how much."""
        mine = self._reserved - self._others_total
        reserved = f'{self._others_text}"{self._owners.me}.{self._serial}": {mine}'
        head = (
            f'{{"ends_at": {self._ends_at!r}, "spent": {self._spent},'
            f' "late": {self._settled_late}, "reserved": {{{reserved}}}}}'
        )
        return head, ""

    def recall(self, row: Row) -> None:
        """Go back to what *row* says."""
        state = json.loads(row[0])
        self._ends_at = state["ends_at"]
        self._spent = state["spent"]
        self._settled_late = state["late"]
        self._note_others(state["reserved"])
        self._reserved = self._others_total + self._mine(state)

    def adopt(self, row: Row, known: Row | None) -> None:
        """Go on from *row*.

        What this process has reserved belongs to another day, or is spent, if the others
        have begun a day or have taken this process for dead.
        """
        if known is None or self._era(json.loads(row[0])) != self._era(json.loads(known[0])):
            self._day += 1
        self.recall(row)

    # -- the rest -----------------------------------------------------------------------------

    def _debit(self, permit: Permit, spent: int) -> None:
        self.account.settle(partial(super()._debit, permit, spent))

    def _begin_day_if_over(self) -> None:
        day = self._day
        super()._begin_day_if_over()
        if day != self._day:
            self._note_others({})
            # Or a wall clock that is set back would find the day before in the file.
            self.account.must_write = True

    def _until_next_look(self) -> float:
        return min(_POLL, super()._until_next_look())

    def _bury_the_dead(self) -> bool:
        dead = {holder for holder in self._others if self._owners.is_dead(_owner_of(holder))}
        if dead:
            self.account.settle(partial(self._count_as_spent, dead))
        return bool(dead)

    def _count_as_spent(self, dead: set[str]) -> None:
        amount = sum(self._others.get(holder, 0) for holder in dead)
        self._spent += amount
        self._reserved -= amount
        self._note_others({o: held for o, held in self._others.items() if o not in dead})

    def _note_others(self, reserved: Mapping[str, int]) -> None:
        me = self._me
        self._others = {o: amount for o, amount in reserved.items() if amount and o != me}
        self._others_total = sum(self._others.values())
        self._others_text = "".join(f'"{o}": {amount}, ' for o, amount in self._others.items())

    def _era(self, state: Mapping[str, Any]) -> tuple[float, int]:
        return state["ends_at"], self._mine(state)

    def _mine(self, state: Mapping[str, Any]) -> int:
        amount: int = state["reserved"].get(self._me, 0)
        return amount

    @property
    def _me(self) -> str:
        return f"{self._owners.me}.{self._serial}"


def bury(head: str, dead: set[str]) -> str:
    """*head* with what the *dead* had reserved as spent; what is no budget's stays as it is."""
    state = json.loads(head)
    reserved = state.get("reserved")
    if reserved is None:
        return head
    held = [holder for holder in reserved if _owner_of(holder) in dead]
    state["spent"] += sum(reserved.pop(holder) for holder in held)
    return json.dumps(state)


def _owner_of(holder: str) -> str:
    return holder.partition(".")[0]
