"""How the simulator counts: by the minute, or as a bucket fills, with headers that are true."""

import asyncio

import aiohttp
import pytest

from koo.testing import Bucket, Meter, Simulator

from .conftest import completion


def test_a_bucket_lets_in_what_it_holds_and_fills_all_the_time():
    bucket = Bucket(60, 1_000)
    assert sum(bucket.admits(0.0) for _ in range(100)) == 60
    assert bucket.retry_after(0.0) == 1.0
    assert not bucket.admits(0.5)
    assert bucket.admits(1.0)
    assert not bucket.admits(1.0)
    assert sum(bucket.admits(1_000.0) for _ in range(100)) == 60


def test_a_bucket_tells_when_each_limit_is_whole_again():
    bucket = Bucket(60, 1_000)
    bucket.admits(0.0)
    bucket.add_tokens(500)
    limits = bucket.limits(0.0, 1_000.0)
    assert (limits.requests.remaining, limits.requests.reset_after) == (59, 1.0)
    assert (limits.tokens.remaining, limits.tokens.reset_after) == (500, 30.0)


def test_tokens_that_were_missing_have_to_come_back_first():
    bucket = Bucket(60, 600)
    bucket.add_tokens(650)
    assert bucket.limits(0.0, 0.0).tokens.remaining == 0
    assert not bucket.admits(4.0)
    assert bucket.retry_after(4.0) == pytest.approx(1.1)
    assert bucket.admits(5.2)


def test_a_minute_gives_back_nothing_before_its_end():
    meter = Meter(2, 100)
    assert [meter.admits(second) for second in (0.0, 1.0, 59.0, 60.0)] == [True, True, False, True]
    assert meter.retry_after(90.0) == 30.0


@pytest.mark.integration
@pytest.mark.parametrize(
    ("service", "name"),
    [("claude", "anthropic-ratelimit-{}-remaining"), ("openai", "x-ratelimit-remaining-{}")],
)
async def test_a_refusal_by_the_limits_tells_them_as_they_are(service, name):
    async with Simulator([service], requests_per_minute=2, meter=Bucket) as simulator:
        path, headers, body = completion(service)
        url = simulator.base_url(service) + path
        async with aiohttp.ClientSession() as session:
            answers = []
            for _ in range(3):
                async with session.post(url, json=body, headers=headers) as response:
                    answers.append((response.status, response.headers))
            await asyncio.sleep(0)
    assert [status for status, _ in answers] == [200, 200, 429]
    assert [told[name.format("requests")] for _, told in answers] == ["1", "0", "0"]
    assert int(answers[2][1][name.format("tokens")]) > 0
    assert 20 <= float(answers[2][1]["retry-after"]) <= 30
