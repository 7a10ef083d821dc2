"""A process in which LiteLLM's Router has a budget: LiteLLM keeps it for all routers of a process.

routed.py URL CALLS
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from contextlib import suppress

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm


async def spend(url: str, calls: int) -> None:
    """Ask so often at once, with the budget and the price of spender.py."""
    parameters = {
        "model": "openai/gpt-5-mini",
        "api_base": f"{url}/v1",
        "api_key": "x",
        "input_cost_per_token": 0.0,
        "output_cost_per_token": 20e-6,
    }
    router = litellm.Router(
        model_list=[{"model_name": "any", "litellm_params": parameters}],
        provider_budget_config={"openai": {"budget_limit": 0.01, "time_period": "1d"}},
    )

    async def ask() -> None:
        question = [{"role": "user", "content": "Say hello in one short sentence."}]
        with suppress(Exception):
            await router.acompletion(model="any", messages=question, max_completion_tokens=125)

    await asyncio.gather(*(ask() for _ in range(calls)))


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    asyncio.run(spend(sys.argv[1], int(sys.argv[2])))
