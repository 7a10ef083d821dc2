"""What a statement may do to its transaction, by its words.

    statement --is_end?  only_reads?  may_lock?  commits_first?--> as far as words can tell
    message of several --unquoted--> has_end?  has_commit?

Whoever is in doubt takes the worst: the transaction has ended, and has written. What a function or
a procedure does that is called is not seen.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = [
    "are_several",
    "commits_first",
    "has_commit",
    "has_end",
    "is_end",
    "is_rollback",
    "may_lock",
    "may_unlock",
    "only_reads",
    "unquoted",
]

# What may come before the first word. PostgreSQL nests comments and MySQL runs some: whatever
# could be within or after one is taken for the first word.
_SPACE: Final = r"(?:\s|(?:--|\#)[^\n]*\n)*+"
_LEADING: Final = rf"{_SPACE}(?:/\*.*\*/{_SPACE})?(?:/\*M?!\d*\s*)?"

# A savepoint's own ROLLBACK ends nothing.
_ROLLBACK: Final = r"ROLLBACK(?!(?:\s+(?:WORK|TRANSACTION))?\s+TO\b)"
_ENDS: Final = re.compile(
    rf"{_LEADING}"
    rf"(?:COMMIT|END|ABORT|PREPARE\s+TRANSACTION|{_ROLLBACK})\b",
    re.IGNORECASE | re.DOTALL,
)
_ROLLS_BACK: Final = re.compile(rf"{_LEADING}(?:ABORT|{_ROLLBACK})\b", re.IGNORECASE | re.DOTALL)
# Each of them writes only by what it calls, as SELECT may, and a savepoint not even so. Whoever is
# in doubt has written.
_READS: Final = re.compile(
    r"(?:\s|\(|(?:--|\#)[^\n]*\n|/\*.*?\*/)*+"
    r"(?:(?:SELECT|SHOW|DESC|DESCRIBE|VALUES|TABLE|SET|USE)\b|PRAGMA\b(?!.*=)"
    r"|(?:SAVEPOINT|RELEASE|ROLLBACK(?:\s+(?:WORK|TRANSACTION))?\s+TO)\b"
    r"|(?:WITH|EXPLAIN)\b(?!.*\b(?:INSERT|UPDATE|DELETE|REPLACE|MERGE|ANALY[SZ]E)\b))",
    re.IGNORECASE | re.DOTALL,
)

# To read longer messages closely could keep the loop waiting: they are taken for the worst.
_LONGEST: Final = 10_000
# Where these are, a quote may be none.
_ODD: Final = re.compile(r"[\\#]|--|/\*")
_DOLLARS: Final = r"(?<![\w$])\$(?P<tag>\w*)\$.*?\$(?P=tag)\$"
_QUOTED: Final = re.compile(rf"{_DOLLARS}|'[^']*'|\"[^\"]*\"|`[^`]*`", re.DOTALL)
# Between dollars END is a word of another language. What looks like an end and is in quotes, where
# they cannot be told, is taken for one.
_ENDS_AMONG: Final = re.compile(
    rf"{_DOLLARS}|(?:^|;)(?P<end>{_ENDS.pattern})", re.IGNORECASE | re.DOTALL
)
# Before MySQL runs one of these, it commits what is open; temporary tables are left out.
_COMMITS_FIRST: Final = (
    rf"{_LEADING}(?:SET\s+STATEMENT\b.*\bFOR\s+)?"
    r"(?:(?:CREATE|DROP)\b(?!\s+(?:OR\s+REPLACE\s+)?TEMPORARY\b)|BEGIN\b(?!\s+NOT\b)"
    r"|(?:ALTER|BACKUP|CACHE|CHANGE|CHECK|FLUSH|GRANT|IMPORT|INSTALL|LOCK|OPTIMIZE|RENAME|REPAIR"
    r"|RESET|REVOKE|SHUTDOWN|START|STOP|TRUNCATE|UNINSTALL|UNLOCK|XA)\b"
    r"|ANALYZE\s+(?:\w+\s+)?TABLE\b|LOAD\s+INDEX\b|SET\s+(?:PASSWORD|DEFAULT\s+ROLE)\b"
    r"|SET\b.*\bautocommit\b)"
)
_COMMITS_BY_ITSELF: Final = re.compile(_COMMITS_FIRST, re.IGNORECASE | re.DOTALL)
# MySQL knows no quotes of dollars.
_COMMITS_AMONG: Final = re.compile(
    rf"(?:^|;)(?:{_COMMITS_FIRST}|{_ENDS.pattern})", re.IGNORECASE | re.DOTALL
)
# After these a transaction that was read-only is perhaps not any more.
_UNLOCKS: Final = re.compile(
    rf"(?:^|;){_LEADING}(?:SET|RESET|PRAGMA|(?:START|BEGIN)\b.*\bREAD\s+WRITE)\b",
    re.IGNORECASE | re.DOTALL,
)
_LOCKS: Final = re.compile(r"transaction_read_only|read\s+only\b", re.IGNORECASE)


def unquoted(message: str) -> str:
    """*message* without what is in quotes, where that is certain."""
    if ";" not in message or _is_long(message) or _ODD.search(message):
        return message
    return _QUOTED.sub("''", message)


def _is_long(message: str) -> bool:
    return len(message) > _LONGEST


def has_end(said: str) -> bool:
    """Whether one of the statements that are *said* may end a transaction."""
    return _is_long(said) or any(found["end"] for found in _ENDS_AMONG.finditer(said))


def are_several(unquoted: str) -> bool:
    """Whether there is more than one statement."""
    return ";" in unquoted.rstrip("; \t\r\n")


def may_lock(message: str) -> bool:
    """Whether the transaction may be read-only afterwards."""
    # The search alone would take ten times as long.
    return "only" in message.lower() and _LOCKS.search(message) is not None


def may_unlock(statement: str) -> bool:
    """Whether a transaction that was read-only is perhaps not any more."""
    return _is_long(statement) or _UNLOCKS.search(statement) is not None


def is_end(statement: str) -> bool:
    """Whether it ends the transaction: COMMIT, or what is as good."""
    return _ENDS.match(statement) is not None


def is_rollback(statement: str) -> bool:
    """Whether it ends the transaction by undoing it."""
    return _ROLLS_BACK.match(statement) is not None


def only_reads(statement: str) -> bool:
    """Whether it writes only by what it calls."""
    return _READS.match(statement) is not None


def commits_first(statement: str) -> bool:
    """Whether MySQL commits what is open before it runs it."""
    return _COMMITS_BY_ITSELF.match(statement) is not None


def has_commit(said: str) -> bool:
    """Whether MySQL may commit before one of the statements that are *said*, or by one."""
    return _is_long(said) or _COMMITS_AMONG.search(said) is not None
