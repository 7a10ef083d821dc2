"""What koo weighs: the time of its import, and the memory of a process that goes on asking."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from subprocess import PIPE

from lab.figures import Figure, Section

from .place import Effort
from .upstream import upstream

__all__ = ["imports", "memory"]

_IMPORTS = {
    "koo.ai": "import koo.ai",
    "aiohttp, of which koo.ai is made": "import aiohttp",
    "genai-prices, which koo.ai reads at its first call": (
        "from genai_prices.data_snapshot import get_snapshot; get_snapshot()"
    ),
    "openai": "import openai; openai.AsyncOpenAI(api_key='x').chat",
    "anthropic": "import anthropic; anthropic.AsyncAnthropic(api_key='x').messages",
    "google-genai": "from google import genai",
    "pydantic-ai": "import pydantic_ai.direct, pydantic_ai.models.openai",
    "LiteLLM": "import litellm",
}
_TIMED = """
import os
from time import perf_counter, process_time
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
began, spent = perf_counter(), process_time()
{}
took, used = perf_counter() - began, process_time() - spent
held = next(line for line in open("/proc/self/status") if line.startswith("VmRSS"))
print(took, used, int(held.split()[1]) / 1024)
"""
_COMPILES_ANEW = "PYTHONDONTWRITEBYTECODE"
_ASKER = Path(__file__).with_name("asker.py")


async def imports(effort: Effort) -> Sequence[Section]:
    """Imports in fresh processes."""
    taken: dict[str, list[Sequence[float]]] = {name: [] for name in _IMPORTS}
    for _ in range(effort.starts + 1):
        for name, line in _IMPORTS.items():
            said = await _said("-c", _TIMED.format(line))
            taken[name].append([float(one) for one in said.split()])
    figures = []
    for name, rounds in taken.items():
        # The first one wrote the bytecode and filled the file cache.
        times, used, held = zip(*rounds[1:], strict=True)
        goal = "<= 0.25 s" if name == "koo.ai" else ""
        figures += [
            Figure(f"{name}: import", median(times), "s", goal, min(times), max(times), len(times)),
            Figure(f"{name}: processor time of it", median(used), "s"),
            Figure(f"{name}: memory after it", median(held), "MB"),
        ]
    method = (
        f"Fresh processes that find their bytecode; medians of {effort.starts} interleaved rounds."
        " Most of koo.ai's time is aiohttp's, which reads the system's certificates at its import."
    )
    return [Section("Import", method, figures)]


async def memory(effort: Effort) -> Sequence[Section]:
    """One process that asks again and again."""
    async with upstream() as server:
        said = await _said(str(_ASKER), server.url(), str(effort.calls))
    held = [float(one) for one in said.split()]
    warm, *_, last = held
    figures = [
        Figure(f"memory after {effort.calls:,} calls", last, "MB", "<= 60 MB"),
        Figure("of that, come since the first tenth", last - warm, "MB", "<= 1 MB"),
    ]
    method = (
        "One process, `STATE_URL=memory:`, a hundred calls at once, over HTTP; its resident memory"
        " after each tenth. What comes to the import is the table of prices and what that imports."
    )
    details = [Figure(f"tenth {place}", one, "MB") for place, one in enumerate(held, 1)]
    return [Section("Memory of a process that goes on asking", method, figures, details)]


async def _said(*arguments: str) -> str:
    # Compiled anew in each process, as on a machine that keeps no bytecode, everything weighs more.
    kept = {name: value for name, value in os.environ.items() if name != _COMPILES_ANEW}
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=PIPE, env=kept
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    return said.decode()
