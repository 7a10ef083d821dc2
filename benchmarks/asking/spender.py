"""A process with a budget of one cent that asks a hundred times at once for 0.2 cents each.

spender.py URL FILE

It says at its end how many calls were answered.
"""

from __future__ import annotations

import asyncio
import sys
from decimal import Decimal

from koo.ai import AIManager, ServiceConfig, TokenPrice
from koo.errors import ExternalServiceError
from koo.stores import SQLiteStore

__all__ = ["BUDGET_NANOUSD", "COST_NANOUSD", "service", "spend"]

BUDGET_NANOUSD, COST_NANOUSD = 10_000_000, 2_000_000


def service(url: str) -> ServiceConfig:
    """The upstream bills 100 tokens of at most 125 for each call: 0.2 of at most 0.25 cents."""
    return ServiceConfig(
        name="lab",
        api_key="x",
        base_url=f"{url}/v1",
        model="gpt-5-mini",
        price=TokenPrice(Decimal(0), Decimal(20)),
        max_tokens=125,
        daily_budget_nanousd=BUDGET_NANOUSD,
        requests_per_minute=10_000,
        requests_per_hour=10_000,
        timeout=5.0,
        attempt_timeout=5.0,
        patience=0.5,
    )


async def spend(manager: AIManager, calls: int) -> int:
    """How many of so many calls at once are answered."""
    answers = await asyncio.gather(*(_ask(manager) for _ in range(calls)))
    return sum(answers)


async def _ask(manager: AIManager) -> bool:
    try:
        await manager.query("lab", "Say hello in one short sentence.")
    except ExternalServiceError:
        return False
    return True


async def _spend(url: str, path: str) -> int:
    manager = AIManager.from_configs([service(url)], store=SQLiteStore(path))
    answered = await spend(manager, 100)
    await manager.close()
    return answered


if __name__ == "__main__":
    print(asyncio.run(_spend(*sys.argv[1:])))
