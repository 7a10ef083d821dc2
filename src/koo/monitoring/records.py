"""What people decided and did, what they are told, and what was spent, in one archive."""

from __future__ import annotations

from dataclasses import dataclass

from ..resilience import SYSTEM_CLOCK, Clock, Health, Report
from ..stores import Archive
from .audit import AuditBook
from .naming import STORE
from .notify import MuteBook, Outbox
from .spend import SpendBook

__all__ = ["Records", "RecordsFile"]


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


class RecordsFile:
    """The file of an *archive* as a component: whether what others do with it goes well.

    Looking at it does nothing with the file.
    """

    name = STORE

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def report(self) -> Report:
        """How it is doing. Only looks."""
        trouble = self._archive.trouble
        state = Health.HEALTHY if trouble is None else Health.UNHEALTHY
        return Report(component=self.name, kind=STORE, state=state, cause=trouble)

    async def check(self) -> Report:
        """The same as :meth:`report`: who keeps something there finds out every few seconds."""
        return self.report()

    def half_open(self) -> None:
        """Nothing: it has no circuit."""

    def reset(self) -> None:
        """Nothing: what goes well the next time is no trouble any more."""
