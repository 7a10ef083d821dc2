"""koo's AI room beside aiohttp, the vendors' SDKs, pydantic-ai, LiteLLM and its Router.

scripts/bench ai [--row NAME ...] [--quick]

A run of all rows at full length writes docs/performance.md; any other only prints.
"""

import logging
import os
import warnings

# LiteLLM fetches its prices over the network at import unless it is told not to.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

from asking.callers import PEERS
from asking.place import FULL, QUICK
from asking.rows import ROWS
from lab.rows import Benchmark


def main() -> None:
    # The faults are ours; what each library writes about them is not what is measured.
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    Benchmark("ai", "AI", PEERS, ROWS, FULL, QUICK).main()


if __name__ == "__main__":
    main()
