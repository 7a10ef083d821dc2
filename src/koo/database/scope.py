"""What is known of one transaction while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .callers import CallingLine

__all__ = ["READONLY", "Scope"]

#: The execution option that asks for a read-only transaction.
READONLY: Final = "koo_readonly"


@dataclass(slots=True)
class Scope:
    """What is known of one transaction while it runs.

    *touched*: the server has answered. *autocommits*: each statement commits
    by itself. *committing*: a COMMIT is on its way.
    *committed*: one was answered. *in_doubt*: the caller was cut off in between.
    *ending*: the caller's code is through, with *value*; *partial*: it had
    committed something by itself.
    """

    where: CallingLine | str | None
    readonly: bool = False
    isolation_level: str | None = None
    touched: bool = False
    autocommits: bool = False
    committing: bool = False
    committed: bool = False
    in_doubt: bool = False
    ending: bool = False
    partial: bool = False
    value: object = None

    @property
    def may_read_old(self) -> bool:
        """Whether a standby may answer: only reads, and not as if they were serialized."""
        return self.readonly and self.isolation_level != "SERIALIZABLE"

    @property
    def may_commit(self) -> bool:
        """Whether what is on its way now may commit something."""
        return self.committing or (self.autocommits and not self.readonly)

    @property
    def is_done(self) -> bool:
        """Whether everything is committed, whatever happens afterwards."""
        return self.ending and self.committed

    @property
    def is_partly_done(self) -> bool:
        """Whether the caller's code has committed a part, which must not be repeated."""
        return self.partial or (self.committed and not self.ending)

    def note_answer(self) -> None:
        """A statement was answered; it may have committed by that."""
        if self.autocommits:
            self.committed = self.committed or self.may_commit

    def end(self) -> None:
        """The caller's code is through; from here on, it is our own COMMIT."""
        self.ending = True
        self.partial, self.committed = self.committed, False

    def options(self) -> dict[str, Any]:
        """The connection's execution options for this transaction."""
        options: dict[str, Any] = {}
        if self.isolation_level is not None:
            options["isolation_level"] = self.isolation_level
        if self.readonly:
            options[READONLY] = True
            options["postgresql_readonly"] = True
        return options
