"""The first price of a process is read in half a second, which no timeout counted, or ended."""

import asyncio
import threading

import pytest

from koo.ai import AIService, PriceTable, ServiceConfig, Times
from koo.errors import ServiceTimeoutError
from koo.testing import After, ScriptedProvider, running_clock


class SlowPrices(PriceTable):
    """A table that takes four seconds to read."""

    async def get(self, vendor, model, base_url, *, timeout=None):
        async with asyncio.timeout(timeout):
            await asyncio.sleep(4)
        return self.find(vendor, model, base_url)


@pytest.fixture
def service():
    def service():
        provider = ScriptedProvider(then=After(60, "late"), clock=running_clock())
        config = ServiceConfig(name="claude", api_key="test-key", timeout=50, attempt_timeout=50)
        return AIService(config, provider, prices=SlowPrices(), clock=running_clock())

    return service


async def consume(stream):
    async for _ in stream:
        pass


@pytest.mark.parametrize(("timeout", "seconds"), [(10, 10), (None, 50), (3, 3)])
async def test_a_query_ends_within_its_timeout_all_the_same(service, timeout, seconds):
    with pytest.raises(ServiceTimeoutError):
        await service().query("Why?", timeout=timeout)
    assert running_clock().monotonic() == pytest.approx(seconds, abs=0.02)


@pytest.mark.parametrize(
    ("times", "seconds"),
    [({"timeout": 10}, 10), ({}, 50), ({"first_token": 7}, 7), ({"timeout": 3}, 3)],
)
async def test_a_stream_ends_within_its_timeout_all_the_same(service, times, seconds):
    with pytest.raises(ServiceTimeoutError):
        await consume(service().stream("Why?", times=Times(**times)))
    assert running_clock().monotonic() == pytest.approx(seconds, abs=0.02)


@pytest.mark.integration
async def test_a_table_that_is_read_too_slowly_is_not_waited_for(service):
    is_read = threading.Event()

    class OnADisk(PriceTable):
        def find(self, vendor, model, base_url):
            is_read.wait()
            return super().find(vendor, model, base_url)

    prices = OnADisk()
    with pytest.raises(TimeoutError):
        await prices.get("openai", "gpt-5-mini", "", timeout=0.05)
    is_read.set()
    assert await prices.get("openai", "gpt-5-mini", "", timeout=30.0) is not None
