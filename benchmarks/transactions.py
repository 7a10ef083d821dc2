"""What it costs koo to know whether a transaction has committed, and what comes of it.

scripts/bench transactions [--row NAME ...] [--quick]

A run of all rows at full length writes docs/performance.md; any other only prints. The COMMITs
that are cut, and the server that is killed, are counted by scripts/soak.
"""

import logging

from commits.rows import ROWS
from lab.rows import Benchmark
from pools.place import FULL, QUICK

_PEERS = ("sqlalchemy", "asyncpg", "psycopg")


def main() -> None:
    # The faults are ours; what each library writes about them is not what is measured.
    logging.disable(logging.CRITICAL)
    Benchmark("transactions", "Transactions", _PEERS, ROWS, FULL, QUICK).main()


if __name__ == "__main__":
    main()
