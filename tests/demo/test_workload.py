"""The workload of the demo: busy enough to be seen, slow enough to go on all day."""

import asyncio
import atexit
import shutil
import tempfile
from collections import defaultdict
from contextlib import suppress

import pytest

from core.config import isolate
from koo.testing import running_clock

# The workload's database is made from the settings, and must not be anybody's own.
FOLDER = tempfile.mkdtemp(prefix="koo-workload-")
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
isolate({"DATABASE_URL": f"sqlite:///{FOLDER}/koo.db", "STATE_URL": "memory:"})

from demo import workload  # noqa: E402

HOURS = 3
SERVICES = {"claude", "openai", "gemini", "perplexity"}


@pytest.fixture
def asked(monkeypatch):
    """When each service was asked, in seconds; each answer takes 0.3 s."""
    moments = defaultdict(list)

    async def answer(service, *_, **__):
        moments[service].append(running_clock().monotonic())
        await running_clock().sleep(0.3)

    monkeypatch.setattr(workload, "query_ai", answer)
    return moments


async def ask_for(seconds):
    clock = running_clock()
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await workload.use_services(clock=clock)


async def test_no_service_comes_near_the_limit_of_an_hour(asked):
    """15 a minute leave room for retries below 1,000 an hour."""
    await ask_for(HOURS * 3600)
    assert asked.keys() == SERVICES
    assert all(len(moments) < 15 * 60 * HOURS for moments in asked.values())


async def test_every_first_minute_is_lively(asked):
    """Somebody who watches for twenty seconds sees each service asked."""
    await ask_for(20)
    assert all(len(asked[service]) >= 4 for service in SERVICES)
    assert len(asked["openai"]) >= 10


async def test_the_rush_comes_again(asked):
    await ask_for(3600)
    minutes = [int(moment // 60) for moment in asked["openai"]]
    busiest = max(minutes.count(minute) for minute in set(minutes) if minute >= 5)
    assert busiest >= 30
