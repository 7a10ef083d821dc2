"""A gate's account in the file: every change of what it remembers is one transaction.

    begin --> row as known? --no--> adopted --> what is owed --> the change --> commit --> the line
      |                                                                          |
      +-- failed: the gate remembers what it did before; a refusal, or owed still <-+

A settlement can't be refused, so it is owed until a transaction has taken it: the next
one of this account, or of any other account of the same file.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, TypeVar

from ..errors import Rejected, StoreUnavailable
from ..resilience import Ask, Permit
from .failures import StoreError
from .file import Row, StateFile

__all__ = ["Account", "Remembering"]

A = TypeVar("A")
T = TypeVar("T")


class Remembering(Protocol):
    """A gate as its account sees it."""

    name: str

    def tell(self) -> Row:
        """All that it remembers."""
        ...

    def recall(self, row: Row) -> None:
        """Remember *row*, which it has told before, and nothing else."""
        ...

    def adopt(self, row: Row, known: Row | None) -> None:
        """Remember *row*, which others have told since *known* (None: since it was opened)."""
        ...

    def serve(self) -> None:
        """Give permits to those in line."""
        ...


class Account:
    """What *gate* remembers, in the row *key* of *file*; *empty* is what a new gate remembers."""

    __slots__ = (
        "_empty",
        "_file",
        "_gate",
        "_key",
        "_known",
        "_opening",
        "_owed",
        "is_busy",
        "must_serve",
    )

    def __init__(self, file: StateFile, gate: Remembering, key: str, empty: Row) -> None:
        self._file = file
        self._gate = gate
        self._key = key
        self._empty = self._known = empty
        self._opening = 0
        self._owed: list[Callable[[], None]] = []
        #: Whether a transaction is open: the line must wait until it is committed.
        self.is_busy = False
        self.must_serve = False

    def admit(self, decide: Callable[[Ask], Permit | Rejected], ask: Ask) -> Permit | Rejected:
        """What *decide* answers to *ask*, with all in mind that others did; kept if a permit."""
        try:
            owed = self._begin()
        except StoreError as error:
            return self._refusal(error)
        answer = self._in_turn(decide, ask)
        try:
            if owed or isinstance(answer, Permit):
                self._commit(owed)
            else:
                self._rollback()
        except StoreError as error:
            _void(answer)
            return self._refusal(error)
        self._after()
        return answer

    def settle(self, change: Callable[[], None]) -> None:
        """Make *change*, now or as soon as the file can be written."""
        self._owed.append(change)
        self.repeat()

    def repeat(self) -> None:
        """Make the changes that are owed, all in one transaction."""
        try:
            owed = self._begin()
            self._commit(owed)
        except StoreError:
            self._file.debtors.add(self)
            return
        self._after()

    def look(self) -> None:
        """Learn what others did, as far as the file tells now."""
        if not self._owed and not self.is_busy:
            with suppress(StoreError):
                self._file.read(self._key, self._learn)

    # -- one transaction ----------------------------------------------------------------------

    def _begin(self) -> int:
        """Begin, and make the changes that are owed; how many they were."""
        row = self._file.begin(self._key)
        self.is_busy = True
        return self._in_turn(self._catch_up, row)

    def _catch_up(self, row: Row | None) -> int:
        self._learn(row)
        if not self._owed:
            return 0
        owed = self._owed[:]
        for change in owed:
            change()
        return len(owed)

    def _in_turn(self, step: Callable[[A], T], argument: A) -> T:
        """What *step* makes of *argument*; should it fail, the transaction ends with it."""
        try:
            return step(argument)
        except Exception as error:
            raise self._undo(self._file.give_up(error)) from error

    def _commit(self, owed: int) -> None:
        row = self._gate.tell()
        try:
            if row == self._known:
                self._file.rollback()
            else:
                self._file.commit(self._key, *row)
        except StoreError as error:
            raise self._undo(error) from error
        self._known = row
        self.is_busy = False
        if owed:
            # A finalizer may have added to it meanwhile.
            del self._owed[:owed]
            if not self._owed:
                self._file.debtors.discard(self)

    def _rollback(self) -> None:
        self._file.rollback()
        self.is_busy = False

    def _learn(self, row: Row | None) -> None:
        row = row or self._empty
        if self._opening != self._file.openings_total:
            self._opening = self._file.openings_total
            self._gate.adopt(row, None)
            self._known = row
        elif row != self._known:
            self._gate.adopt(row, self._known)
            self._known = row

    def _undo(self, error: StoreError) -> StoreError:
        self.is_busy = False
        self._gate.recall(self._known)
        return error

    def _after(self) -> None:
        if self.must_serve:
            self.must_serve = False
            self._gate.serve()
        if self._file.debtors:
            for account in tuple(self._file.debtors - {self}):
                account.repeat()

    def _refusal(self, error: StoreError) -> StoreUnavailable:
        return StoreUnavailable(self._gate.name, self._file.retry_after, error.cause)


def _void(answer: Permit | Rejected | None) -> None:
    """Let go of a permit that is kept nowhere, without settling it."""
    if isinstance(answer, Permit):
        answer.done = True
