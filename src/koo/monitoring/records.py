"""What people decided and did, what they are told, and what was spent, in one archive."""

from __future__ import annotations

from dataclasses import dataclass

from ..resilience import SYSTEM_CLOCK, Clock
from ..stores import Archive
from .audit import AuditBook
from .notify import MuteBook, Outbox
from .spend import SpendBook

__all__ = ["Records"]


@dataclass(frozen=True, slots=True)
class Records:
    """Silences and acknowledgements in *mute_book*, actions in *audit*, money in *spend*.

    *outbox* has what is told of all processes that share the *archive*.
    """

    archive: Archive
    mute_book: MuteBook
    audit: AuditBook
    spend: SpendBook
    outbox: Outbox

    @classmethod
    def of(cls, archive: Archive, *, clock: Clock = SYSTEM_CLOCK) -> Records:
        """Those of *archive*."""
        mute_book, spend = MuteBook(archive, clock=clock), SpendBook(archive, clock=clock)
        return cls(archive, mute_book, AuditBook(archive), spend, Outbox(archive))
