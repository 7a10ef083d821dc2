"""What goes wrong on the way, and the script that says when."""

import asyncio
import time
import types

import aiohttp
import pytest

from koo.testing import Endpoint, FakeClock, Fault, run
from koo.testing.simulator.delivery import hang_up
from koo.testing.simulator.faults import FaultScript, Rule, Strike
from koo.testing.simulator.meter import Meter

from ..waiting import a_while, until
from .conftest import KEY, SERVICES
from .parts import parts_of

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(("fault", "status"), [(Fault.GARBAGE, 200), (Fault.BAD_GATEWAY, 502)])
async def test_a_page_instead_of_json(connected, fault, status):
    async with connected() as client:
        client.simulator.fault("openai", fault)
        answer = await client.ask("openai")
    assert answer.status == status
    assert answer.document.startswith("<html>")
    assert answer.headers["content-type"].startswith("text/html")


async def test_slow_is_a_good_answer_late(connected):
    async with connected() as client:
        client.simulator.fault("claude", Fault.SLOW, delay=0.1)
        began = time.monotonic()
        assert (await client.ask("claude")).status == 200
        assert time.monotonic() - began >= 0.1


async def test_latency_is_drawn_around_its_mean(connected):
    async with connected(latency=0.04) as client:
        began = time.monotonic()
        await client.ask("claude")
        assert time.monotonic() - began >= 0.02


@pytest.mark.parametrize("stream", [False, True])
async def test_hang_is_no_answer_until_the_client_gives_up(connected, stream):
    async with connected() as client:
        client.simulator.fault("claude", Fault.HANG, count=1)
        asking = asyncio.ensure_future(client.ask("claude", stream=stream))
        await until(lambda: client.simulator.requests)
        await a_while()
        assert not asking.done()
        asking.cancel()
        await asyncio.wait([asking])
        assert client.simulator.requests[0].status is None
        assert (await client.ask("claude")).status == 200


async def test_stopping_ends_those_that_hang(connected):
    async with connected() as client:
        client.simulator.fault("claude", Fault.HANG)
        asking = asyncio.ensure_future(client.ask("claude"))
        await until(lambda: client.simulator.requests)
        began = time.monotonic()
        await client.simulator.stop()
        assert time.monotonic() - began < 20
        with pytest.raises(aiohttp.ClientError):
            await asking


async def test_reset_is_a_connection_error_before_the_answer(connected):
    async with connected() as client:
        client.simulator.fault("claude", Fault.RESET, count=1)
        with pytest.raises(aiohttp.ClientOSError, match="reset by peer"):
            await client.ask("claude")
        assert (await client.ask("claude")).status == 200


@pytest.mark.parametrize("service", SERVICES)
async def test_cut_is_a_connection_error_in_the_middle(connected, service):
    async with connected() as client:
        client.simulator.fault(service, Fault.CUT)
        with pytest.raises(aiohttp.ClientError):
            await client.ask(service)
        with pytest.raises(aiohttp.ClientError):
            await client.stream(service)
        assert all(request.output_tokens > 0 for request in client.simulator.requests)


async def test_cut_brings_the_beginning(connected):
    async with connected() as client:
        client.simulator.fault("claude", Fault.CUT)
        arrived, ended = await parts_of(client, "claude")
    arrived = b"".join(arrived)
    assert issubclass(ended, aiohttp.ClientError)
    assert b"message_start" in arrived
    assert b"message_stop" not in arrived


async def test_stall_brings_the_beginning_and_then_nothing(connected):
    async with connected() as client:
        client.simulator.fault("openai", Fault.STALL)
        arrived, ended = await parts_of(client, "openai", enough=bool)
    arrived = b"".join(arrived)
    assert ended is TimeoutError
    assert b"chat.completion.chunk" in arrived
    assert b"[DONE]" not in arrived


@pytest.mark.parametrize(
    ("service", "ending"),
    [("claude", "message_stop"), ("openai", "[DONE]"), ("gemini", "finishReason")],
)
async def test_an_early_end_looks_whole_to_http_but_has_no_terminal_event(
    connected, service, ending
):
    async with connected() as client:
        client.simulator.fault(service, Fault.EARLY_END)
        told = await client.stream(service)
        half = (await client.ask(service)).document
    assert len(told) > 2
    assert ending not in str(told)
    assert isinstance(half, str)


async def test_an_error_inside_a_stream_comes_as_each_vendor_sends_it(connected):
    async with connected() as client:
        for service in SERVICES:
            client.simulator.fault(service, Fault.STREAM_ERROR)
        told = {service: (await client.stream(service))[-1] for service in SERVICES}
    assert told["claude"][0] == "error"
    assert told["claude"][1]["error"]["type"] == "overloaded_error"
    assert told["openai"][1]["error"]["code"] == "server_is_overloaded"
    assert told["gemini"][1]["error"]["status"] == "UNAVAILABLE"


async def test_a_list_of_models_is_struck_only_when_it_is_meant(connected):
    async with connected() as client:
        headers = {"x-api-key": KEY}
        client.simulator.fault("claude", Fault.OVERLOADED)
        assert (await client.models("claude", "/v1/models", headers)).status == 200
        client.simulator.clear("claude")
        client.simulator.fault("claude", Fault.OVERLOADED, endpoint=Endpoint.ALL)
        assert (await client.models("claude", "/v1/models", headers)).status == 529
        assert (await client.ask("claude")).status == 529


async def test_a_script_is_played_in_its_order_and_each_service_has_its_own(connected):
    async with connected() as client:
        client.simulator.fault("claude", Fault.OVERLOADED, count=2)
        client.simulator.fault("claude", Fault.RATE_LIMIT, count=1)
        told = [(await client.ask("claude")).status for _ in range(4)]
        assert told == [529, 529, 429, 200]
        assert (await client.ask("openai")).status == 200


async def test_clearing_forgets_the_faults_of_one_or_of_all(connected):
    async with connected() as client:
        for service in SERVICES:
            client.simulator.fault(service, Fault.SERVER_ERROR)
        client.simulator.clear("claude")
        assert (await client.ask("claude")).status == 200
        assert (await client.ask("openai")).status == 500
        client.simulator.clear()
        assert (await client.ask("openai")).status == 200


async def test_a_mix_strikes_each_share_and_the_same_seed_strikes_the_same(connected):
    async def statuses(seed):
        async with connected(seed=seed) as client:
            client.simulator.mix("claude", {Fault.OVERLOADED: 0.3, Fault.SERVER_ERROR: 0.3})
            return [(await client.ask("claude")).status for _ in range(200)]

    first = await statuses(1)
    assert first == await statuses(1)
    assert first != await statuses(2)
    assert 40 <= first.count(529) <= 80
    assert 40 <= first.count(500) <= 80


async def test_a_mix_of_more_than_all_is_refused(connected):
    async with connected() as client:
        with pytest.raises(ValueError, match="give one from 0 to 1"):
            client.simulator.mix("claude", {Fault.OVERLOADED: 0.6, Fault.RESET: 0.6})


async def test_above_the_limits_of_the_minute_it_refuses_by_itself(connected):
    async with connected(requests_per_minute=2) as client:
        told = [await client.ask("claude") for _ in range(3)]
    assert [answer.status for answer in told] == [200, 200, 429]
    assert 50 < float(told[2].headers["retry-after"]) <= 60


def test_a_rule_for_some_seconds_ends_with_them():
    script = FaultScript(lambda: 0.0)
    script.add(Rule(Strike(Fault.HANG), until=5.0))
    assert script.next(Endpoint.COMPLETIONS, 4.9) == Strike(Fault.HANG)
    assert script.next(Endpoint.COMPLETIONS, 5.0) is None


async def test_a_fault_for_some_seconds_is_over_after_them(connected):
    clock = FakeClock()
    async with connected(clock=clock) as client:
        client.simulator.fault("claude", Fault.OVERLOADED, seconds=8.0)
        assert (await client.ask("claude")).status == 529
        clock.advance(8.0)
        assert (await client.ask("claude")).status == 200


def test_a_rule_strikes_with_its_probability():
    draws = iter([0.29, 0.3])
    script = FaultScript(lambda: next(draws))
    script.add(Rule(Strike(Fault.HANG), probability=0.3))
    assert script.next(Endpoint.COMPLETIONS, 0.0) is not None
    assert script.next(Endpoint.COMPLETIONS, 0.0) is None


@pytest.mark.parametrize("count", [0, -1])
def test_a_rule_that_never_strikes_is_refused(count):
    with pytest.raises(ValueError, match="give at least 1, or None"):
        Rule(Strike(Fault.HANG), count=count)


def test_the_tokens_of_a_minute_are_a_limit_too():
    meter = Meter(100, 50)
    assert meter.admits(0.0)
    meter.add_tokens(60)
    assert not meter.admits(1.0)
    assert meter.limits(1.0, 1001.0).tokens.remaining == 0
    assert meter.limits(1.0, 1001.0).tokens.reset_after == 59.0
    assert meter.admits(60.0)


def test_resetting_a_connection_that_has_gone_waits_to_be_ended():
    async def gone():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5.0):
                await hang_up(types.SimpleNamespace(transport=None))

    run(gone())
