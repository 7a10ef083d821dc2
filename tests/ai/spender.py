"""A process that asks a simulated service two hundred times at once; for the tests alone.

    spender.py BASE_URL FILE SEED

It asks by query, by stream and by permit, and a third of the calls are given up at some moment.
At the end it says how many were answered.
"""

import asyncio
import random
import sys
from contextlib import aclosing
from decimal import Decimal

from aiohttp import ClientError, ClientSession

from koo.ai import AIManager, Estimate, ServiceConfig, TokenPrice
from koo.errors import ExternalServiceError
from koo.stores import SQLiteStore

CALLS = 200
MAX_TOKENS = 100
#: A thousandth of a dollar per token in, two per token out: a call may cost some 35 cents.
PRICE = TokenPrice(Decimal(1000), Decimal(2000))
INPUT_NANOUSD, OUTPUT_NANOUSD = 10**6, 2 * 10**6
BUDGET = 4 * 10**9


def service(base_url):
    """The service that spends; *base_url* leads to the simulator."""
    return ServiceConfig(
        name="lab",
        api_key="test-key",
        base_url=base_url,
        model="lab-model",
        price=PRICE,
        daily_budget_nanousd=BUDGET,
        requests_per_minute=1000,
        requests_per_hour=2000,
        timeout=2.0,
        attempt_timeout=2.0,
        patience=0.5,
        max_tokens=MAX_TOKENS,
    )


async def query(manager, prompt):
    await manager.query("lab", prompt)


async def stream(manager, prompt):
    async for _ in manager.stream("lab", prompt):
        pass


async def look_into(manager, prompt):
    """A stream that is left at its first text."""
    async with aclosing(manager.stream("lab", prompt)) as texts:
        await anext(texts)


async def permit(manager, prompt):
    """As an SDK asks."""
    config = manager.find("lab").config
    messages = [{"role": "user", "content": prompt}]
    asked = {"model": config.model, "max_tokens": MAX_TOKENS, "messages": messages}
    async with manager.permit("lab", Estimate.of(asked, max_tokens=MAX_TOKENS)) as call:
        headers = {"Authorization": f"Bearer {config.api_key}"}
        async with (
            ClientSession(headers=headers) as session,
            session.post(f"{config.base_url}/chat/completions", json=asked) as response,
        ):
            call.settle(await response.json())


async def ask(manager, draw):
    patience = draw.choice([None, None, draw.uniform(0.0, 0.2)])
    way = draw.choice([query, stream, look_into, permit])
    try:
        async with asyncio.timeout(patience):
            await way(manager, "a question " * draw.randint(1, 5))
    except (ExternalServiceError, TimeoutError, ClientError):
        return False
    return True


async def spend(base_url, path, seed):
    """Ask, all at once; how many calls were answered."""
    draw = random.Random(seed)
    manager = AIManager.from_configs([service(base_url)], store=SQLiteStore(path))
    answers = await asyncio.gather(*(ask(manager, draw) for _ in range(CALLS)))
    await manager.close()
    return sum(answers)


if __name__ == "__main__":
    print(asyncio.run(spend(*sys.argv[1:])))
