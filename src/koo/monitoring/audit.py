"""What people did, for good: a table to which lines can only be added.

    action --append(), in a thread--> archive --entries()--> newest first, page by page

The journal shows the last changes of this process; the audit has every action of every process
that shares the file, and neither a restart nor a statement takes one away.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Final

from ..stores import Archive

__all__ = ["Action", "AuditBook", "AuditEntry"]

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS koo_actions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL, component TEXT NOT NULL, action TEXT NOT NULL, actor TEXT NOT NULL,
    address TEXT, reason TEXT, before TEXT, after TEXT
);
CREATE TRIGGER IF NOT EXISTS koo_actions_stay BEFORE DELETE ON koo_actions
    BEGIN SELECT raise(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER IF NOT EXISTS koo_actions_stay_as_they_are BEFORE UPDATE ON koo_actions
    BEGIN SELECT raise(ABORT, 'the audit is append-only'); END;
"""
_INSERT: Final = (
    "INSERT INTO koo_actions (at, component, action, actor, address, reason, before, after)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_PAGE: Final = "SELECT * FROM koo_actions WHERE id < ? ORDER BY id DESC LIMIT ?"
_LAST: Final = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """*actor*, at *address*, did *action* to *component* at epoch second *at*, and said why."""

    at: float
    component: str
    action: str
    actor: str
    address: str | None = None
    reason: str | None = None
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An *action* with its number; of two, the later has the higher one."""

    id: int
    action: Action


class AuditBook:
    """The actions in an *archive*. Raises StoreError while that can't be had."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        archive.prepare(_SCHEMA)

    async def append(self, action: Action) -> None:
        """Add a line."""
        await self._archive.aside(self._append, action)

    async def entries(self, most: int, before: int = _LAST) -> tuple[AuditEntry, ...]:
        """At most *most* lines with numbers below *before*, newest first."""
        return await self._archive.aside(self._entries, most, before)

    def _append(self, action: Action) -> None:
        self._archive.change(_INSERT, *astuple(action))

    def _entries(self, most: int, before: int) -> tuple[AuditEntry, ...]:
        return tuple(_entry(*row) for row in self._archive.read(_PAGE, before, most))


def _entry(identity: int, at: float, *words: str) -> AuditEntry:
    component, action, actor, address, reason, before, after = words
    return AuditEntry(
        identity,
        Action(
            at=at,
            component=component,
            action=action,
            actor=actor,
            address=address,
            reason=reason,
            before=before,
            after=after,
        ),
    )
