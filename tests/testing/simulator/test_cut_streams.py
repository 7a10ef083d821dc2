"""Streams that are cut where the test wants it, come in drops, or only show signs of life."""

import aiohttp
import pytest

from koo.testing import Fault

from .conftest import SERVICES
from .parts import parts_of

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("length", [0, 1, 100])
async def test_an_answer_is_cut_after_so_many_bytes(connected, service, length):
    async with connected() as client:
        whole = b"".join((await parts_of(client, service))[0])
        for fault, error in [(Fault.EARLY_END, None), (Fault.STALL, TimeoutError)]:
            client.simulator.fault(service, fault, after=length, count=1)
            enough = error and (lambda came: len(came) >= length)
            parts, ended = await parts_of(client, service, enough=enough)
            assert (len(b"".join(parts)), ended) == (length, error)
        client.simulator.fault(service, Fault.CUT, after=length, count=1)
        parts, ended = await parts_of(client, service)
        assert len(b"".join(parts)) == length < len(whole)
        assert issubclass(ended, aiohttp.ClientError)


async def test_drops_are_single_bytes_and_together_the_answer(connected):
    async with connected(answer=lambda _: "Yes.") as client:
        client.simulator.fault("openai", Fault.DRIP, delay=0.001)
        parts, ended = await parts_of(client, "openai")
    assert ended is None
    assert b"".join(parts).endswith(b"data: [DONE]\n\n")
    assert len(parts) > len(b"".join(parts)) / 4


def has_pings(came):
    return came.count(b": ping\n\n") > 5


@pytest.mark.parametrize("stream", [True, False])
async def test_signs_of_life_never_end_a_stream(connected, stream):
    async with connected() as client:
        client.simulator.fault("claude", Fault.PINGS, delay=0.01)
        enough = has_pings if stream else bool
        parts, ended = await parts_of(client, "claude", stream=stream, enough=enough)
    assert ended is TimeoutError
    assert has_pings(b"".join(parts)) is stream


async def test_perplexity_counts_in_every_chunk_and_never_says_done(connected):
    async with connected() as client:
        told = [document for _, document in await client.stream("perplexity")]
    counts = [document["usage"]["completion_tokens"] for document in told]
    reasons = [document["choices"][0]["finish_reason"] for document in told]
    assert counts == sorted(counts)
    assert reasons == [None] * (len(told) - 1) + ["stop"]
