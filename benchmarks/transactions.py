"""What it costs koo to know whether a transaction has committed, and what comes of it.

scripts/bench transactions [--row NAME ...] [--quick]

A run of all rows at full length writes docs/performance.md; any other only prints. The COMMITs
that are cut, and the server that is killed, are counted by scripts/soak.
"""

from __future__ import annotations

from commits.rows import ROWS
from pools.program import run

if __name__ == "__main__":
    run("transactions", "Transactions", ROWS, ("sqlalchemy", "asyncpg", "psycopg"))
