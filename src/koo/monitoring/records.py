"""What people decided and did, in one archive."""

from __future__ import annotations

from dataclasses import dataclass

from ..resilience import SYSTEM_CLOCK, Clock
from ..stores import Archive
from .audit import AuditBook
from .notify import MuteBook

__all__ = ["Records"]


@dataclass(frozen=True, slots=True)
class Records:
    """Silences and acknowledgements in *mute_book*, actions in *audit*."""

    mute_book: MuteBook
    audit: AuditBook

    @classmethod
    def of(cls, archive: Archive, *, clock: Clock = SYSTEM_CLOCK) -> Records:
        """Those of *archive*."""
        return cls(MuteBook(archive, clock=clock), AuditBook(archive))
