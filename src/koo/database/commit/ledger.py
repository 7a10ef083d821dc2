"""The table of tokens on each database: whether it is there, how it is made and kept short.

    koo.commit_tokens   token     32 hexadecimal digits, in the order of their time
                        made      when, by the server's clock
                        fenced    whether it stands in the way of a COMMIT that must not come

SQLite and MySQL have no schemas to put it in; there it is called koo_commit_tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Final

from ...resilience import Clock
from ..scope import Witness
from .rows import Rows
from .tokens import Tokens

__all__ = ["Found", "Ledger", "ledger_of"]


class Found(Enum):
    """What a look says; the words that the statement returns."""

    READY = "ready"
    ABSENT = "absent"
    LATER = "later"
    NUMBERS = "numbers"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Ledger:
    """The statements for one kind of database, and its witness.

    *look* returns one word of :class:`Found`; *make* needs no harm done by doing it twice;
    *clean* takes away what is older than ``:kept`` seconds, fences a day later.
    """

    name: str
    witness: Witness
    look: str
    make: tuple[str, ...]
    clean: str


# Any number: whoever makes the table or cleans it holds this lock of PostgreSQL's.
_LOCK: Final = 7234801166237551

_POSTGRES_LOOK: Final = """
SELECT CASE
  WHEN version < 130000 THEN 'nobody'
  WHEN usable THEN 'ready'
  WHEN pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' THEN 'later'
  WHEN usable IS NULL AND makeable THEN 'absent'
  WHEN version < 140000 THEN 'nobody'
  ELSE 'numbers'
END FROM (SELECT
  CAST(current_setting('server_version_num') AS integer) AS version,
  (
    SELECT has_schema_privilege(n.oid, 'USAGE') AND has_function_privilege(p.oid, 'EXECUTE')
           AND has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'SELECT')
    FROM pg_namespace n
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'commit_tokens'
    JOIN pg_proc p ON p.pronamespace = n.oid AND p.proname = 'commit_token'
    WHERE n.nspname = 'koo'
  ) AS usable,
  coalesce(
    (SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = 'koo'),
    has_database_privilege(current_database(), 'CREATE')
  ) AS makeable
) AS found
"""

# A function and not an INSERT, because that is an error in a read-only transaction.
_POSTGRES_MAKE: Final = (
    f"SELECT pg_advisory_xact_lock({_LOCK})",
    "CREATE SCHEMA IF NOT EXISTS koo",
    """
CREATE TABLE IF NOT EXISTS koo.commit_tokens (
  token uuid PRIMARY KEY,
  made timestamptz NOT NULL DEFAULT now(),
  fenced boolean NOT NULL DEFAULT false
)
""",
    """
CREATE OR REPLACE FUNCTION koo.commit_token(uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF pg_current_xact_id_if_assigned() IS NOT NULL THEN
    INSERT INTO koo.commit_tokens (token) VALUES ($1);
  END IF;
END
$$
""",
)

# By the time in the token the index finds what is old; the server's clock has the last word.
_POSTGRES_CLEAN: Final = f"""
DELETE FROM koo.commit_tokens
 WHERE (SELECT pg_try_advisory_xact_lock({_LOCK}))
   AND token < (
     SELECT CAST(lpad(to_hex(CAST(1000 * (extract(epoch FROM now()) - :kept) AS bigint)), 12, '0')
       || repeat('0', 20) AS uuid)
   )
   AND made < now() - make_interval(secs => :kept)
   AND (NOT fenced OR made < now() - make_interval(days => 1, secs => :kept))
"""  # noqa: S608 - of a constant

_SQLITE_LOOK: Final = """
SELECT CASE
  WHEN EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'koo_commit_tokens') THEN 'ready'
  ELSE 'absent'
END
"""

_SQLITE_MAKE: Final = """
CREATE TABLE IF NOT EXISTS koo_commit_tokens (
  token TEXT PRIMARY KEY,
  made INTEGER NOT NULL DEFAULT (CAST(strftime('%s', 'now') AS INTEGER)),
  fenced INTEGER NOT NULL
) WITHOUT ROWID
"""

_SQLITE_CLEAN: Final = """
DELETE FROM koo_commit_tokens
 WHERE made < strftime('%s', 'now') - :kept - CASE WHEN fenced THEN 86400 ELSE 0 END
"""

_MYSQL_LOOK: Final = """
SELECT CASE
  WHEN EXISTS (
    SELECT 1 FROM information_schema.tables
     WHERE table_schema = database() AND table_name = 'koo_commit_tokens'
  ) THEN 'ready'
  WHEN @@read_only THEN 'later'
  ELSE 'absent'
END
"""

_MYSQL_MAKE: Final = """
CREATE TABLE IF NOT EXISTS koo_commit_tokens (
  token CHAR(32) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY,
  made TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
  fenced BOOLEAN NOT NULL
) ENGINE = InnoDB
"""

# The range comes first: InnoDB locks all that it looks at.
_MYSQL_CLEAN: Final = """
DELETE FROM koo_commit_tokens
 WHERE token < rpad(lpad(lower(hex(1000 * (unix_timestamp() - :kept))), 12, '0'), 32, '0')
   AND made < from_unixtime(unix_timestamp() - :kept - IF(fenced, 86400, 0))
"""

_MYSQL_FENCE: Final = "INSERT IGNORE INTO koo_commit_tokens (token, fenced) VALUES (:token, 1)"
_SQLITE_FENCE: Final = (
    "INSERT INTO koo_commit_tokens (token, fenced) VALUES (:token, 1) ON CONFLICT DO NOTHING"
)
_HURRY: Final = "SET SESSION innodb_lock_wait_timeout = 1"


def ledger_of(backend: str, clock: Clock, kept: float) -> Ledger:
    """The ledger of a database that SQLAlchemy calls *backend*; it is kept for *kept* seconds."""
    mine = partial(Ledger, "koo_commit_tokens")
    match backend:
        case "postgresql":
            statements = _POSTGRES_LOOK, _POSTGRES_MAKE, _POSTGRES_CLEAN
            return Ledger("koo.commit_tokens", Tokens(clock, kept), *statements)
        case "sqlite":
            witness = Rows(_SQLITE_FENCE, "", clock, kept)
            return mine(witness, _SQLITE_LOOK, (_SQLITE_MAKE,), _SQLITE_CLEAN)
    witness = Rows(_MYSQL_FENCE, _HURRY, clock, kept)
    return mine(witness, _MYSQL_LOOK, (_MYSQL_MAKE,), _MYSQL_CLEAN)
