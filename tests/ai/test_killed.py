"""The provider's own ledger beside ours, while one of two that spend is killed and restarted."""

import asyncio
import random
import sys
from pathlib import Path

import pytest

from koo.ai import AIManager
from koo.stores import SQLiteStore
from koo.testing import Simulator

from . import spender

SCENARIOS = 50
LATENCY = 0.03
#: On a busy machine the other may have spent it all before the kill.
MOST_TRIES = 4


async def run_spender(simulator, path, seed, *, kill_at=None):
    """What the process says at its end; None if it was killed at its *kill_at*-th request."""
    already = len(simulator.completions("lab"))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        Path(spender.__file__),
        simulator.base_url("lab"),
        path,
        str(seed),
        stdout=asyncio.subprocess.PIPE,
    )
    ended = asyncio.create_task(process.communicate())
    while not ended.done():
        if kill_at is not None and len(simulator.completions("lab")) >= already + kill_at:
            process.kill()
            break
        await asyncio.sleep(0.002)
    said, _ = await ended
    return int(said) if process.returncode == 0 else None


def billed(simulator):
    """What the provider bills for all that it has received, answered or not."""
    return sum(
        received.input_tokens * spender.INPUT_NANOUSD
        + received.output_tokens * spender.OUTPUT_NANOUSD
        for received in simulator.completions("lab")
    )


def booked(simulator, path):
    store = SQLiteStore(path)
    config = spender.service(simulator.base_url("lab"))
    report = AIManager.from_configs([config], store=store).services["lab"].report()
    store.close()
    return report


@pytest.mark.integration
@pytest.mark.properties
@pytest.mark.timeout(0)
async def test_however_often_it_is_killed_the_provider_never_bills_more_than_the_budget(
    tmp_path, scale, seed
):
    draw = random.Random(seed)
    killed, wanted = 0, round(SCENARIOS * scale)
    for number in range(MOST_TRIES * wanted):
        if killed >= wanted:
            break
        path = tmp_path / f"{number}.db"
        async with Simulator(["lab"], latency=LATENCY) as simulator:
            kill_at = draw.randint(1, 8)
            first, beside = await asyncio.gather(
                run_spender(simulator, path, number, kill_at=kill_at),
                run_spender(simulator, path, draw.random()),
            )
            killed += first is None
            assert beside is not None
            answered = await run_spender(simulator, path, draw.random())
            report = booked(simulator, path)
            assert billed(simulator) <= report.value("budget.spent") <= spender.BUDGET
            assert report.value("budget.reserved") == 0
            assert len(simulator.completions("lab")) <= report.value("limit.used", window="day")
            assert answered is not None
            assert report.value("budget.spent") > spender.BUDGET / 2
    assert killed == wanted
