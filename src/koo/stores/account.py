"""A gate's account in the file: every change of what it remembers is one transaction.

    begin --> row as known? --no--> adopted --> what is owed --> the change --> commit --> the line
      |                                                                          |
      +-- failed: the gate remembers what it did before; a refusal, or owed still <-+

A settlement can't be refused, so it is owed until a transaction has taken it: the next
one of this account, or of any other account of the same file.

Of two gates that calls pass one after the other, the first leads: whom it lets in the second
answers in the same transaction, and what it settles may be written with what the second does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from ..errors import Rejected, StoreUnavailable
from ..resilience import Ask, Permit
from .failures import StoreError
from .file import Row, StateFile

__all__ = ["Account", "Remembering"]


class Remembering(Protocol):
    """A gate as its account sees it."""

    name: str
    #: What it answers by what it remembers.
    decide: Callable[[Ask], Permit | Rejected]

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
        "_key",
        "_known",
        "_opening",
        "_told",
        "gate",
        "is_busy",
        "leader",
        "must_serve",
        "must_write",
        "owed",
        "paid",
    )

    def __init__(self, file: StateFile, gate: Remembering, key: str, empty: Row) -> None:
        self._file = file
        self._key = key
        self._empty = empty
        self._known = self._told = empty
        self._opening = 0
        self.gate = gate
        #: What is still to be changed.
        self.owed: list[Callable[[], None]] = []
        #: Whose settlements are written with those of this one.
        self.leader: Account | None = None
        #: Whether a transaction is open: the line must wait until it is committed.
        self.is_busy = False
        self.must_serve = False
        #: Whether others are to know of it even if nobody is let in.
        self.must_write = False
        #: How many changes were owed that are in the transaction.
        self.paid = 0

    def admit(self, ask: Ask, follower: Account | None = None) -> list[Permit | Rejected]:
        """What the gate answers to *ask*, with all in mind that others did; kept if a permit.

        If it is one, and there is a *follower*, what the gate of that answers comes second.
        """
        file, accounts = self._file, [self]
        answers: list[Permit | Rejected] = []
        try:
            file.enter()
            try:
                file.begin()
                self.join()
                answers.append(self.gate.decide(ask))
                is_let_in = isinstance(answers[0], Permit)
                if is_let_in and follower is not None:
                    accounts.append(follower)
                    follower.join()
                    answers.append(follower.gate.decide(ask))
                if is_let_in or self.paid or self.must_write:
                    self._commit(accounts)
                else:
                    file.rollback()
                    self.is_busy = False
            except BaseException:
                self._undo(accounts, answers)
                raise
            finally:
                file.leave()
        except StoreError as error:
            return [StoreUnavailable(self.gate.name, file.retry_after, error.cause)]
        self._after(accounts)
        return answers

    def settle(self, change: Callable[[], None]) -> None:
        """Make *change*, now or as soon as the file can be written."""
        self.owed.append(change)
        leader = self.leader
        self._pay([leader, self] if leader is not None and leader.owed else [self])

    def owe(self, change: Callable[[], None]) -> None:
        """Make *change* with the next settlement of the account that this one leads."""
        self.owed.append(change)
        self._file.debtors.add(self)

    def repeat(self) -> None:
        """Make the changes that are owed, all in one transaction."""
        self._pay([self])

    def look(self) -> str | None:
        """Learn what others did; what is wrong with the file, if it does not tell."""
        if self.is_busy:
            return None
        try:
            self._file.enter()
            try:
                if not self.owed:
                    self._learn(self._file.peek(self._key))
            finally:
                self._file.leave()
        except StoreError as error:
            return error.cause
        return None

    # -- its part of a transaction --------------------------------------------------------------

    def join(self) -> None:
        """Learn what others did, and make the changes that are owed."""
        row = self._file.read(self._key)
        self.is_busy = True
        self._learn(row)
        self.paid = 0
        if self.owed:
            owed = self.owed[:]
            for change in owed:
                change()
            self.paid = len(owed)

    def write(self) -> None:
        """Have the file know what the gate remembers."""
        self._told = row = self.gate.tell()
        if row != self._known:
            self._file.write(self._key, row)

    def keep(self) -> None:
        """The transaction is committed."""
        self._known = self._told
        self.is_busy = self.must_write = False
        if self.paid:
            # A finalizer may have added to it meanwhile.
            del self.owed[: self.paid]
            if not self.owed:
                self._file.debtors.discard(self)

    def forget(self) -> None:
        """The transaction has never been."""
        if self.is_busy:
            self.is_busy = self.must_write = False
            self.gate.recall(self._known)

    def _learn(self, row: Row | None) -> None:
        row = row or self._empty
        known: Row | None = self._known
        if self._opening != self._file.openings_total:
            known = None
        elif row == known:
            return
        try:
            self.gate.adopt(row, known)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            self.gate.recall(self._known)
            raise self._file.damaged() from error
        self._known, self._opening = row, self._file.openings_total

    # -- a transaction --------------------------------------------------------------------------

    def _pay(self, accounts: list[Account]) -> None:
        """Make what all of *accounts* owe."""
        file = self._file
        try:
            file.enter()
            try:
                file.begin()
                for account in accounts:
                    account.join()
                self._commit(accounts)
            except BaseException:
                self._undo(accounts)
                raise
            finally:
                file.leave()
        except StoreError:
            file.debtors.update(accounts)
            return
        self._after(accounts)

    def _commit(self, accounts: list[Account]) -> None:
        for account in accounts:
            account.write()
        self._file.commit()
        for account in accounts:
            account.keep()

    def _undo(self, accounts: list[Account], answers: Iterable[object] = ()) -> None:
        """Forget what was not kept; a permit among it is none, and is not to be settled."""
        self._file.rollback()
        for account in accounts:
            account.forget()
        for answer in answers:
            if isinstance(answer, Permit):
                answer.done = True

    def _after(self, accounts: list[Account]) -> None:
        for account in accounts:
            if account.must_serve:
                account.must_serve = False
                account.gate.serve()
        if self._file.debtors:
            for debtor in tuple(self._file.debtors.difference(accounts)):
                debtor.repeat()
