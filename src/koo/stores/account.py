"""A gate's account in the file: every change of what it remembers is one transaction.

    begin --> row as known? --no--> adopted --> what is owed --> the change --> commit --> the line
      |                                                                          |
      +-- failed: the gate remembers what it did before; a refusal, or owed still <-+

A settlement can't be refused, so it is owed until a transaction has taken it: the next
one of this account, or of any other account of the same file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..errors import Rejected, StoreUnavailable
from ..resilience import Ask, Permit
from .failures import StoreError
from .file import Row, StateFile

__all__ = ["Account", "Remembering"]


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
        self._empty = empty
        self._known = empty
        self._opening = 0
        self._owed: list[Callable[[], None]] = []
        #: Whether a transaction is open: the line must wait until it is committed.
        self.is_busy = False
        self.must_serve = False

    def admit(self, decide: Callable[[Ask], Permit | Rejected], ask: Ask) -> Permit | Rejected:
        """What *decide* answers to *ask*, with all in mind that others did; kept if a permit."""
        answer: Permit | Rejected | None = None
        try:
            self._file.enter()
            try:
                owed = self._begin()
                answer = decide(ask)
                if owed or isinstance(answer, Permit):
                    self._commit(owed)
                else:
                    self._end()
            except BaseException:
                self._undo(answer)
                raise
            finally:
                self._file.leave()
        except StoreError as error:
            return StoreUnavailable(self._gate.name, self._file.retry_after, error.cause)
        self._after()
        return answer

    def settle(self, change: Callable[[], None]) -> None:
        """Make *change*, now or as soon as the file can be written."""
        self._owed.append(change)
        self.repeat()

    def repeat(self) -> None:
        """Make the changes that are owed, all in one transaction."""
        try:
            self._file.enter()
            try:
                self._commit(self._begin())
            except BaseException:
                self._undo()
                raise
            finally:
                self._file.leave()
        except StoreError:
            self._file.debtors.add(self)
            return
        self._after()

    def look(self) -> str | None:
        """Learn what others did; what is wrong with the file, if it does not tell."""
        if self.is_busy:
            return None
        try:
            self._file.enter()
            try:
                if not self._owed:
                    self._learn(self._file.read(self._key))
            finally:
                self._file.leave()
        except StoreError as error:
            return error.cause
        return None

    # -- one transaction ----------------------------------------------------------------------

    def _begin(self) -> int:
        """Begin, and make the changes that are owed; how many they were."""
        row = self._file.begin(self._key)
        self.is_busy = True
        self._learn(row)
        if not self._owed:
            return 0
        owed = self._owed[:]
        for change in owed:
            change()
        return len(owed)

    def _commit(self, owed: int) -> None:
        row = self._gate.tell()
        if row != self._known:
            self._file.commit(self._key, *row)
            self._known = row
            self.is_busy = False
        else:
            self._end()
        if owed:
            # A finalizer may have added to it meanwhile.
            del self._owed[:owed]
            if not self._owed:
                self._file.debtors.discard(self)

    def _end(self) -> None:
        self._file.rollback()
        self.is_busy = False

    def _undo(self, answer: Permit | Rejected | None = None) -> None:
        """Forget what was not kept; a permit among it is none, and is not to be settled."""
        self._file.rollback()
        if self.is_busy:
            self.is_busy = False
            self._gate.recall(self._known)
        if isinstance(answer, Permit):
            answer.done = True

    def _learn(self, row: Row | None) -> None:
        row = row or self._empty
        known: Row | None = self._known
        if self._opening != self._file.openings_total:
            known = None
        elif row == known:
            return
        try:
            self._gate.adopt(row, known)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            self._gate.recall(self._known)
            raise self._file.damaged() from error
        self._known, self._opening = row, self._file.openings_total

    def _after(self) -> None:
        if self.must_serve:
            self.must_serve = False
            self._gate.serve()
        if self._file.debtors:
            for account in tuple(self._file.debtors - {self}):
                account.repeat()
