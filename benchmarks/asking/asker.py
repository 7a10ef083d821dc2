"""A process that asks and says after each tenth of its calls how much memory it holds, in MB.

asker.py URL CALLS
"""

from __future__ import annotations

import asyncio
import gc
import sys
from pathlib import Path

from koo.ai import AIManager, ServiceConfig
from koo.errors import ExternalServiceError

_TASKS = 100
_PLENTY = 10**9


async def ask_on(url: str, calls: int) -> None:
    """So many calls, in ten parts."""
    config = ServiceConfig(
        name="openai",
        api_key="x",
        base_url=f"{url}/v1",
        model="gpt-5-mini",
        requests_per_minute=_PLENTY,
        requests_per_hour=_PLENTY,
        requests_per_day=_PLENTY,
        daily_budget_nanousd=10**18,
    )
    manager = AIManager.from_configs([config])
    failed = 0

    async def ask(number: int) -> None:
        nonlocal failed
        for _ in range(number):
            try:
                await manager.query("openai", "Say hello in one short sentence.")
            except ExternalServiceError:
                failed += 1

    for _ in range(10):
        async with asyncio.TaskGroup() as group:
            for _ in range(_TASKS):
                group.create_task(ask(calls // 10 // _TASKS))
        gc.collect()
        print(_resident_mb())
    await manager.close()
    assert not failed, failed


def _resident_mb() -> float:
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


if __name__ == "__main__":
    asyncio.run(ask_on(sys.argv[1], int(sys.argv[2])))
