"""The first price of a process is read in half a second, which no timeout counted."""

import asyncio

import pytest

from koo.ai import AIService, PriceTable, ServiceConfig
from koo.errors import ServiceTimeoutError
from koo.testing import After, ScriptedProvider, running_clock


class SlowPrices(PriceTable):
    """A table that takes four seconds to read."""

    async def get(self, vendor, model, base_url):
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


@pytest.mark.parametrize(("timeout", "seconds"), [(10, 10), (None, 50), (4, 4.005)])
async def test_a_query_ends_within_its_timeout_all_the_same(service, timeout, seconds):
    with pytest.raises(ServiceTimeoutError):
        await service().query("Why?", timeout=timeout)
    assert running_clock().monotonic() == pytest.approx(seconds, abs=0.02)


@pytest.mark.parametrize(
    ("times", "seconds"),
    [({"timeout": 10}, 10), ({}, 50), ({"first_token_timeout": 7}, 7), ({"timeout": 3}, 4.005)],
)
async def test_a_stream_ends_within_its_timeout_all_the_same(service, times, seconds):
    with pytest.raises(ServiceTimeoutError):
        await consume(service().stream("Why?", **times))
    assert running_clock().monotonic() == pytest.approx(seconds, abs=0.02)
