"""What a message may do to its transaction, by its words.

    message --one statement---------------> without what is before its first word --+--> Words
       +------several--comments and quotes taken out--> each of them ---------------+
                 +--that cannot be told for sure-----> each of its words might begin one

Whoever is in doubt takes the worst: the transaction has ended, and has written. What a function or
a procedure does that is called is not seen. Each pattern is tried once for a statement, and only on
its beginning if it is long, so that nothing that is said can keep the loop waiting.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

__all__ = ["Reader", "Words", "of_mysql", "of_one", "of_several"]

_LONGEST: Final = 10_000
#: What comes after so many characters nobody reads: it may be anything that matters.
_UNREAD: Final = " = INSERT, autocommit, READ WRITE"
#: Then, nor is a beginning looked for so far behind comments and blanks.
_FAR: Final = _LONGEST // 2
_KEPT: Final = 256
# Groups are not possessive: up to Python 3.11.4 such a one forgets how it has begun.
_COMMENT: Final = r"/\*(?!M?!)[^*/]*+(?:(?:\*(?!/)|/(?!\*))[^*/]*+)*\*/"
_LEADING: Final = re.compile(rf"(?:[\s(]++|(?:--|\#)[^\n\r]*+(?:\r?\n|\Z)|{_COMMENT})*")

# Comments that MySQL runs, that are within others or that never end; and a line that only
# PostgreSQL ends at a carriage return.
_UNCLEAR: Final = ("/*", "--", "#")


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.DOTALL)


# What has semicolons that divide nothing, and what makes that uncertain: an escaped quote, one that
# never ends, comments that MySQL runs, and those within others, which only PostgreSQL knows.
_ON_POSTGRESQL: Final = _compiled(
    rf"--[^\n\r]*+|{_COMMENT}|'[^'\\]*+'|\"[^\"]*+\""
    r"|(?<![\w$])\$(?P<tag>\w*)\$.*?\$(?P=tag)\$"
    r"|(?P<odd>['\"\\]|/\*|(?<![\w$])\$\w*\$)"
)
_ON_MYSQL: Final = _compiled(
    rf"(?:--(?=[ \t\n])|\#)[^\n]*+|{_COMMENT}|'[^'\\]*+'|\"[^\"\\]*+\"|`[^`]*+`"
    r"|(?P<odd>['\"`\\]|/\*|--)"
)

# Most are one of these, and need not be asked any further.
_COMMON: Final = _compiled(r"(?:(?P<reads>SELECT)|INSERT|UPDATE|DELETE)\b")
# A savepoint's own ROLLBACK ends nothing.
_TO_SAVEPOINT: Final = r"ROLLBACK(?:\s+(?:WORK|TRANSACTION))?\s+TO\b"
_ENDS: Final = _compiled(
    r"(?:(?P<commit>COMMIT|END|PREPARE\s+TRANSACTION)"
    rf"|(?P<rollback>ABORT|(?!{_TO_SAVEPOINT})ROLLBACK))\b"
)
_ANY_END: Final = _compiled(r"\b(?:COMMIT|END|ABORT|ROLLBACK|PREPARE)\b")
# Before MySQL runs one of these, it commits what is open; temporary tables are left out.
_ALWAYS: Final = (
    "ALTER|BACKUP|CACHE|CHANGE|CHECK|FLUSH|GRANT|IMPORT|INSTALL|LOCK|OPTIMIZE|RENAME|REPAIR"
    "|RESET|REVOKE|SHUTDOWN|START|STOP|TRUNCATE|UNINSTALL|UNLOCK|XA"
)
_COMMITS_FIRST: Final = _compiled(
    r"SET\s+(?:PASSWORD|DEFAULT\s+ROLE)\b|SET\b.*\bautocommit\b"
    r"|(?:SET\s+STATEMENT\b.*\bFOR\s+)?"
    r"(?:(?:CREATE|DROP)\b(?!\s+(?:OR\s+REPLACE\s+)?TEMPORARY\b)|BEGIN\b(?!\s+NOT\b)"
    rf"|(?:{_ALWAYS})\b|ANALYZE\s+(?:\w+\s+)?TABLE\b|LOAD\s+INDEX\b)"
)
_ANY_COMMIT: Final = _compiled(
    rf"{_ANY_END.pattern}|\b(?:{_ALWAYS}|CREATE|DROP|BEGIN|ANALYZE|LOAD|PASSWORD|ROLE|AUTOCOMMIT)\b"
)
# Each of them writes only by what it calls, as SELECT may, and a savepoint not even so.
_READS: Final = _compiled(
    r"(?:SELECT|SHOW|DESC|DESCRIBE|VALUES|TABLE|SET|USE|SAVEPOINT|RELEASE)\b"
    rf"|{_TO_SAVEPOINT}|PRAGMA\b(?!.*=)"
    r"|(?:WITH|EXPLAIN)\b(?!.*\b(?:INSERT|UPDATE|DELETE|REPLACE|MERGE|ANALY[SZ]E)\b)"
)
# After these a transaction that was read-only is perhaps not any more.
_UNLOCKS: Final = _compiled(r"(?:SET|RESET|PRAGMA|(?:START|BEGIN)\b.*\bREAD\s+WRITE)\b")
_LOCKS: Final = _compiled(r"transaction_read_only|read\s+only\b")


class Words(NamedTuple):
    """What a message may do to its transaction.

    *first* is "commit" or "rollback" if its first statement is one. *ends*: one of them is one,
    or of *several* one is that MySQL commits before. *commits_first*: that is the only one.
    *reads*: it writes only by what it calls. *locks*, *unlocks*: afterwards the transaction may be
    read-only, or not any more.
    """

    first: str | None
    ends: bool = False
    several: bool = False
    commits_first: bool = False
    reads: bool = False
    locks: bool = False
    unlocks: bool = False


_SELECTS: Final = Words(None, reads=True)
_WRITES: Final = Words(None)


class Reader:
    """What reads the messages of one driver; the same again it knows by heart.

    *quoted* is None where a message is one statement.
    """

    def __init__(
        self,
        quoted: re.Pattern[str] | None = None,
        commits_first: re.Pattern[str] | None = None,
        dangerous: re.Pattern[str] = _ANY_END,
    ) -> None:
        self._quoted = quoted
        self._commits_first = commits_first
        self._dangerous = dangerous
        self._known = lru_cache(_KEPT)(self._read)

    def __call__(self, message: str) -> Words:
        """The words of *message*."""
        # Long ones are too many to be kept, and too large.
        return self._known(message) if len(message) <= _LONGEST else self._read(message)

    def _read(self, message: str) -> Words:
        if (common := _COMMON.match(message)) and ";" not in message and not _may_lock(message):
            return _SELECTS if common["reads"] else _WRITES
        match self._statements(message):
            case None:
                return self._worst(message)
            case [one]:
                return self._of_one(one, locks=_may_lock(message))
            case several:
                return self._of_several(several, locks=_may_lock(message))

    def _of_one(self, statement: str, *, locks: bool) -> Words:
        end, commits = _ENDS.match(statement), self._commits_first
        return Words(
            end and end.lastgroup,
            ends=end is not None,
            commits_first=commits is not None and commits.match(statement) is not None,
            reads=_READS.match(statement) is not None,
            locks=locks,
            unlocks=_UNLOCKS.match(statement) is not None,
        )

    def _of_several(self, statements: list[str], *, locks: bool) -> Words:
        known = [self._of_one(statement, locks=locks) for statement in statements]
        return Words(
            known[0].first,
            ends=any(one.ends or one.commits_first for one in known),
            several=True,
            locks=locks,
            unlocks=any(one.unlocks for one in known),
        )

    def _statements(self, message: str) -> list[str] | None:
        """Each statement from its first word on; None if that cannot be told for sure."""
        if self._quoted is not None and ";" in message.rstrip("; \t\r\n"):
            return None if len(message) > _LONGEST else _divided(message, self._quoted)
        begin = _LEADING.match(message, 0, _LONGEST).end()  # type: ignore[union-attr] # always one
        statement = message[begin:_LONGEST]
        is_long = len(message) > _LONGEST
        if statement.startswith(_UNCLEAR) or (is_long and begin > _FAR):
            return None
        return [statement + _UNREAD if is_long else statement]

    def _worst(self, message: str) -> Words:
        ends = len(message) > _LONGEST or self._dangerous.search(message) is not None
        return Words(
            "commit" if ends else None,
            ends=ends,
            several=True,
            locks=_may_lock(message),
            unlocks=True,
        )


def _divided(message: str, quoted: re.Pattern[str]) -> list[str] | None:
    parts, end = [], 0
    for found in quoted.finditer(message):
        if found["odd"]:
            return None
        parts.append(message[end : found.start()])
        end = found.end()
    bare = " ".join([*parts, message[end:]])
    return [one for part in bare.split(";") if (one := part.strip("( \t\r\n\f\v"))] or [""]


def _may_lock(message: str) -> bool:
    # The search alone would take ten times as long.
    if "only" not in message.lower():
        return False
    return len(message) > _LONGEST or _LOCKS.search(message) is not None


#: Where a message is one statement: the others are refused.
of_one: Final = Reader()
#: On PostgreSQL, of several.
of_several: Final = Reader(_ON_POSTGRESQL)
of_mysql: Final = Reader(_ON_MYSQL, _COMMITS_FIRST, _ANY_COMMIT)
