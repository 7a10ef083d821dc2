"""However a stream keeps its consumer waiting, it ends within the time it was given."""

import asyncio
import time

import pytest

from koo.ai import Times
from koo.errors import ServiceTimeoutError
from koo.testing import Fault

from ..asking import times_of
from .conftest import PROMPT, SERVICES, is_silent, read

pytestmark = pytest.mark.integration

LIMIT = 1.0
#: What a busy machine may add.
SLACK = 20


async def timed(stream):
    """Pieces, error and seconds."""
    began = time.monotonic()
    pieces, error = await read(stream)
    return pieces, error, time.monotonic() - began


SILENT = [
    (Fault.HANG, {}),
    (Fault.STALL, {"after": 0}),
    (Fault.PINGS, {"after": 0, "delay": 0.01}),
    (Fault.DRIP, {"delay": 0.05}),
]
BREAKING = [(Fault.STALL, {}), (Fault.PINGS, {"delay": 0.01})]


async def all_at_once(connected, fault, how, limit):
    """The same fault at every vendor; each one's pieces, error and report."""
    async with connected() as (manager, simulator):
        for name in SERVICES:
            simulator.fault(name, fault, **how)
        streams = [
            manager.stream(name, PROMPT, times=times_of({limit: LIMIT})) for name in SERVICES
        ]
        told = await asyncio.gather(*map(timed, streams))
        reports = [manager.services[name].report() for name in SERVICES]
    for (pieces, error, took), report in zip(told, reports, strict=True):
        assert type(error) is ServiceTimeoutError
        assert LIMIT <= took < LIMIT + SLACK
        assert report.breaker.failures == 1
        assert report.value("budget.reserved") == 0 < report.value("budget.spent")
        assert error.partial == "".join(pieces)
        assert is_silent(error, report)
    return told


@pytest.mark.parametrize("limit", ["timeout", "first_token_timeout"])
@pytest.mark.parametrize(("fault", "how"), SILENT)
async def test_a_stream_without_a_first_text_ends_in_time(connected, limit, fault, how):
    for pieces, error, _ in await all_at_once(connected, fault, how, limit):
        assert (pieces, error.partial) == ([], "")


@pytest.mark.parametrize("limit", ["timeout", "idle_timeout"])
@pytest.mark.parametrize(("fault", "how"), BREAKING)
async def test_a_stream_that_falls_silent_ends_in_time(connected, limit, fault, how):
    for pieces, error, _ in await all_at_once(connected, fault, how, limit):
        assert pieces
        assert error.detail.startswith("no more of the answer came in time")


async def test_a_consumer_that_takes_its_time_is_nobodys_fault(connected):
    async with connected() as (manager, _):
        stream, pieces = manager.stream("claude", PROMPT, times=Times(idle=1.0)), []
        async for piece in stream:
            pieces.append(piece)
            if len(pieces) == 1:
                await asyncio.sleep(1.5)
        assert "".join(pieces) == stream.completion.text


async def test_a_timeout_of_the_consumers_own_is_not_the_services_failure(connected):
    async with connected() as (manager, simulator):
        simulator.fault("claude", Fault.STALL)
        stream = manager.stream("claude", PROMPT)
        assert await anext(stream)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await read(stream)
        report = manager.services["claude"].report()
        assert stream.text
        assert report.breaker.outcomes == 0
        assert report.value("budget.reserved") == 0 < report.value("budget.spent")
