"""Where a wait would end at the deadline itself, rounding decided whether a call waited in vain."""

import asyncio

import pytest

from koo.resilience import Backoff, Policy, RetryConfig
from koo.testing import running_clock


async def test_who_has_no_time_for_another_attempt_is_told_at_once():
    clock = running_clock()

    async def fails():
        await asyncio.sleep(0.31)
        raise OSError("down")

    patient = Policy(
        "dep",
        retry=RetryConfig(max_retries=1, backoff=Backoff(base_delay=0.7)),
        clock=clock,
        random=lambda: 1.0,
    )
    for _ in range(40):
        await asyncio.sleep(2.57)
        began = clock.monotonic()
        ended = await patient.outcome(fails, timeout=1.01)
        assert "past the deadline" in ended.error.__notes__[0]
        assert clock.monotonic() - began == pytest.approx(0.31, abs=1e-4)
