"""The table of tokens on each database: whether it is there, how it is made and kept short.

    koo.commit_tokens   token     32 hexadecimal digits, in the order of their time
                        made      when, by the server's clock
                        fenced    whether it stands in the way of a COMMIT that must not come

One row more, later than all tokens, is the mark by which the table is known again; of several
processes that begin at once each may have written one.
SQLite and MySQL have no schemas to put it in; there it is called koo_commit_tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Final

from ...resilience import Clock
from ..scope import Witness
from .fence import FIRST_MARK, KEPT
from .rows import Rows
from .tokens import Tokens

__all__ = ["SOME", "Found", "Ledger", "ledger_of"]

#: How many rows one cleaning takes away, so that it ends in time and holds nobody up.
SOME: Final = 10_000


class Found(Enum):
    """What a look says: a word that the statement returns, or SILENT without an answer."""

    READY = "ready"
    ABSENT = "absent"
    LATER = "later"
    NUMBERS = "numbers"
    NOBODY = "nobody"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Ledger:
    """The statements for one kind of database, and its witness.

    *look* returns one word of :class:`Found`, *find* the marks, of which *mark* writes one. *lock*
    lets one at a time make the table until its transaction ends, empty where nothing does; *make*
    does no harm when it is done twice. *clean* takes away some of what is older than an hour,
    fences a day later, and is told what time it is by our clock. *witness* is made of the mark.
    """

    name: str
    witness: Callable[[str], Witness]
    look: str
    find: str
    lock: str
    make: tuple[str, ...]
    mark: str
    clean: str


# Any number: whoever makes the table or cleans it holds this lock of PostgreSQL's.
_LOCK: Final = 7234801166237551
_POSTGRES_LOCK: Final = f"SELECT pg_advisory_xact_lock({_LOCK})"

# Subscribers to all tables stop at one that they don't have.
_POSTGRES_LOOK: Final = """
SELECT CASE
  WHEN version < 130000 OR NOT fences THEN 'nobody'
  WHEN usable THEN 'ready'
  WHEN pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' THEN 'later'
  WHEN usable IS NULL AND makeable THEN 'absent'
  WHEN version >= 140000 AND (
    SELECT bool_and(coalesce(has_function_privilege(to_regprocedure(name), 'EXECUTE'), false))
    FROM (VALUES ('pg_control_system()'), ('pg_postmaster_start_time()'),
      ('pg_current_wal_insert_lsn()'), ('pg_walfile_name(pg_lsn)'), ('pg_xact_status(xid8)')
    ) AS needed (name)
  ) THEN 'numbers'
  ELSE 'nobody'
END FROM (SELECT
  CAST(current_setting('server_version_num') AS integer) AS version,
  coalesce((
    SELECT bool_and(has_function_privilege(oid, 'EXECUTE')) FROM pg_proc
    WHERE proname = 'pg_logical_emit_message' AND pronamespace = CAST('pg_catalog' AS regnamespace)
  ), false) AS fences,
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
  ) AND NOT EXISTS (SELECT 1 FROM pg_publication WHERE puballtables) AS makeable
) AS found
"""

# A function and not an INSERT, because that is an error in a read-only transaction. It writes as
# its owner, so that a transaction may SET ROLE to whomever it likes. The schema is opened to all
# only if it is made here: in one that was there before may be what is nobody's business.
_POSTGRES_MAKE: Final = (
    """
DO $$ BEGIN
  IF to_regnamespace('koo') IS NULL THEN
    CREATE SCHEMA koo;
    GRANT USAGE ON SCHEMA koo TO PUBLIC;
  END IF;
END $$
""",
    """
CREATE TABLE IF NOT EXISTS koo.commit_tokens (
  token uuid PRIMARY KEY,
  made timestamptz NOT NULL DEFAULT now(),
  fenced boolean NOT NULL DEFAULT false
)
""",
    """
CREATE OR REPLACE FUNCTION koo.commit_token(uuid) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF pg_current_xact_id_if_assigned() IS NOT NULL THEN
    INSERT INTO koo.commit_tokens (token) VALUES ($1);
  END IF;
END
$$
""",
)

_POSTGRES_FIND: Final = f"""
SELECT replace(CAST(token AS text), '-', '') FROM koo.commit_tokens
 WHERE token >= CAST(rpad('{FIRST_MARK}', 32, '0') AS uuid) ORDER BY token
"""  # noqa: S608 - of a constant

_POSTGRES_MARK: Final = "INSERT INTO koo.commit_tokens (token, fenced) VALUES ('{}', true)"

# By the time in the token the index finds what is old, by the server's clock and by ours, of which
# one may have jumped ahead; what was made in between by a clock that was late is kept as well.
_POSTGRES_CLEAN: Final = f"""
DELETE FROM koo.commit_tokens WHERE token = ANY (ARRAY(
SELECT token FROM koo.commit_tokens
 WHERE (SELECT pg_try_advisory_xact_lock({_LOCK}))
   AND token < (
     SELECT CAST(lpad(to_hex(CAST(1000 * (
       least(extract(epoch FROM now()), CAST(:now AS double precision)) - {KEPT}
     ) AS bigint)), 12, '0') || repeat('0', 20) AS uuid)
   )
   AND made < now() - make_interval(secs => {KEPT})
   AND (NOT fenced OR made < now() - make_interval(days => 1, secs => {KEPT}))
 ORDER BY token LIMIT {SOME}
))
"""  # noqa: S608 - of constants

_SQLITE_LOOK: Final = """
SELECT CASE
  WHEN EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'koo_commit_tokens') THEN 'ready'
  ELSE 'absent'
END
"""

_SQLITE_LOCK: Final = "BEGIN IMMEDIATE"

_SQLITE_MAKE: Final = """
CREATE TABLE IF NOT EXISTS koo_commit_tokens (
  token TEXT PRIMARY KEY,
  made INTEGER NOT NULL DEFAULT (CAST(strftime('%s', 'now') AS INTEGER)),
  fenced INTEGER NOT NULL
) WITHOUT ROWID
"""

_FIND: Final = f"""
SELECT token FROM koo_commit_tokens WHERE token >= '{FIRST_MARK}' ORDER BY token
"""  # noqa: S608 - of a constant

_MARK: Final = "INSERT INTO koo_commit_tokens (token, fenced) VALUES ('{}', 1)"

_SQLITE_CLEAN: Final = f"""
DELETE FROM koo_commit_tokens WHERE token IN (
SELECT token FROM koo_commit_tokens
 WHERE token < '{FIRST_MARK}'
   AND made < strftime('%s', 'now') - {KEPT} - CASE WHEN fenced THEN 86400 ELSE 0 END
 LIMIT {SOME}
)
"""  # noqa: S608 - of constants

# In this column a server sums up what was granted to somebody, to their roles, on which level ever.
_MYSQL_LOOK: Final = """
SELECT CASE
  WHEN @@read_only THEN 'later'
  WHEN granted IS NULL THEN 'absent'
  WHEN find_in_set('select', granted) AND find_in_set('insert', granted) THEN 'ready'
  ELSE 'later'
END FROM (SELECT (
  SELECT privileges FROM information_schema.columns
   WHERE table_schema = database() AND table_name = 'koo_commit_tokens' AND column_name = 'token'
) AS granted) AS found
"""

_MYSQL_MAKE: Final = """
CREATE TABLE IF NOT EXISTS koo_commit_tokens (
  token CHAR(32) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY,
  made TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
  fenced BOOLEAN NOT NULL
) ENGINE = InnoDB
"""

# The range comes first: InnoDB locks all that it looks at.
_MYSQL_CLEAN: Final = f"""
DELETE FROM koo_commit_tokens
 WHERE token < rpad(lpad(lower(hex(
   1000 * (least(unix_timestamp(), :now) - {KEPT})
 )), 12, '0'), 32, '0')
   AND made < from_unixtime(unix_timestamp() - {KEPT} - IF(fenced, 86400, 0))
 ORDER BY token LIMIT {SOME}
"""  # noqa: S608 - of constants

_MYSQL_FENCE: Final = "INSERT IGNORE INTO koo_commit_tokens (token, fenced) VALUES (:token, 1)"
_SQLITE_FENCE: Final = (
    "INSERT INTO koo_commit_tokens (token, fenced) VALUES (:token, 1) ON CONFLICT DO NOTHING"
)
_HURRY: Final = "SET SESSION innodb_lock_wait_timeout = 1"


def ledger_of(backend: str, clock: Clock) -> Ledger:
    """The ledger of a database that SQLAlchemy calls *backend*."""
    match backend:
        case "postgresql":
            return Ledger(
                "koo.commit_tokens",
                partial(Tokens, clock),
                _POSTGRES_LOOK,
                _POSTGRES_FIND,
                _POSTGRES_LOCK,
                _POSTGRES_MAKE,
                _POSTGRES_MARK,
                _POSTGRES_CLEAN,
            )
        case "sqlite":
            rows, look = partial(Rows, _SQLITE_FENCE, "", clock), _SQLITE_LOOK
            lock, make, clean = _SQLITE_LOCK, _SQLITE_MAKE, _SQLITE_CLEAN
        case _:  # mysql, mariadb
            rows, look = partial(Rows, _MYSQL_FENCE, _HURRY, clock), _MYSQL_LOOK
            # Some clusters refuse GET_LOCK, so that here two may say that they have made the table.
            lock, make, clean = "", _MYSQL_MAKE, _MYSQL_CLEAN
    return Ledger("koo_commit_tokens", rows, look, _FIND, lock, (make,), _MARK, clean)
