"""Every vendor's stream over real sockets: whole, cut at every event, in trouble, given up."""

import asyncio
import gc

import aiohttp
import pytest

from koo.ai import Prompt
from koo.errors import (
    ContentRefusedError,
    ExternalServiceError,
    QuotaExceededError,
    RateLimitError,
    ServiceConnectionError,
    ServiceTimeoutError,
    ServiceUnavailableError,
    StreamTruncatedError,
)
from koo.resilience import Backoff, RetryConfig
from koo.testing import Fault

from ..asking import question
from .conftest import PROMPT, SERVICES, TEXT, is_silent, read

pytestmark = pytest.mark.integration

QUICK = RetryConfig(max_retries=3, backoff=Backoff(base_delay=0.01, max_delay=0.02))


@pytest.mark.parametrize("name", SERVICES)
async def test_an_answer_comes_in_pieces_and_is_counted_and_paid(connected, name):
    async with connected() as (manager, simulator):
        stream = manager.stream(name, Prompt(PROMPT, system="Be brief.", max_tokens=50))
        assert simulator.requests == ()
        pieces = [piece async for piece in stream]
        report = manager.services[name].report()
    assert "".join(pieces) == stream.text == stream.completion.text == TEXT
    assert len(pieces) > 2
    assert (stream.service, stream.model) == (name, manager.services[name].config.model)
    [received] = simulator.completions(name)
    assert received.streams
    usage = stream.completion.usage
    billed = (received.input_tokens, received.output_tokens)
    assert (usage.input_tokens, usage.output_tokens) == billed
    assert 0 < usage.nanousd == report.value("cost.last") == report.value("budget.spent")
    assert report.value("budget.reserved") == 0
    assert report.value("success_rate") == 1.0


@pytest.mark.parametrize("name", SERVICES)
async def test_a_stream_costs_what_the_same_query_costs(connected, name):
    async with connected() as (manager, _):
        service = manager.services[name]
        await manager.query(name, PROMPT)
        asked = service.report().value("cost.last")
        await read(manager.stream(name, PROMPT))
        assert service.report().value("cost.last") == asked


@pytest.mark.parametrize("name", SERVICES)
async def test_a_stream_byte_by_byte_is_the_same(connected, name):
    async with connected() as (manager, simulator):
        simulator.fault(name, Fault.DRIP, delay=0)
        stream = manager.stream(name, PROMPT)
        assert (await read(stream))[1] is None
        assert stream.text == TEXT


async def raw(service):
    """The bytes of a whole stream, as our own request asks for them."""
    provider = service._provider
    request = provider.prepare(question(PROMPT, service.config.model, 9999, streams=True))
    url = service.config.base_url + request.path
    async with (
        aiohttp.ClientSession(headers=provider._headers) as session,
        session.post(url, data=request.body) as response,
    ):
        return await response.read()


async def worst_case(manager, simulator, name):
    """What is reserved while a call hangs."""
    sent = len(simulator.requests)
    simulator.fault(name, Fault.HANG, count=1)
    asking = asyncio.create_task(read(manager.stream(name, PROMPT)))
    while len(simulator.requests) == sent:
        await asyncio.sleep(0.01)
    reserved = manager.services[name].report().value("budget.reserved")
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    return reserved


def places(stream):
    """Every boundary of an event, and the middle and the last byte but one of every event."""
    found, began = [0], 0
    while (ended := stream.find(b"\n\n", began) + 2) >= 2:
        found += [(began + ended) // 2, ended - 1, ended]
        began = ended
    return found


@pytest.mark.timeout(600)
@pytest.mark.parametrize("fault", [Fault.CUT, Fault.EARLY_END])
@pytest.mark.parametrize("name", SERVICES)
async def test_wherever_a_stream_is_cut_it_is_whole_or_an_error(connected, name, fault, scale):
    """At every event and inside each, in the soak at every byte: nothing cut is taken for whole."""
    ends = []
    async with connected() as (manager, simulator):
        service = manager.services[name]
        stream, worst = await raw(service), await worst_case(manager, simulator, name)
        for place in range(len(stream)) if scale == 1 else places(stream)[:-1]:
            service.reset()
            simulator.clear()
            simulator.fault(name, fault, after=place)
            before = service.report().value("budget.spent")
            answer = manager.stream(name, PROMPT)
            pieces, error = await read(answer)
            report = service.report()
            check_cut(answer, "".join(pieces), error)
            assert is_silent(error, report)
            assert report.value("budget.reserved") == 0
            spent = report.value("budget.spent") - before
            assert 0 < spent <= worst
            assert not error or spent == worst, (place, spent, worst, error)
            ends.append(error)
    truncated = [error for error in ends if error]
    assert len(truncated) > len(ends) / 2
    assert ends == [*truncated, *[None] * (len(ends) - len(truncated))]


def check_cut(answer, text, error):
    """An answer is whole, or its error says so and has what had come."""
    if error is None:
        assert text == answer.text == answer.completion.text == TEXT
        return
    assert type(error) is StreamTruncatedError
    assert TEXT.startswith(text)
    assert error.partial == answer.text == text
    assert answer.completion is None
    assert error.at_least is not None or not text
    assert error.usage is None


@pytest.mark.parametrize("name", SERVICES)
async def test_what_breaks_before_the_first_text_is_tried_again_unseen(connected, name):
    async with connected(retry=QUICK) as (manager, simulator):
        for fault, after in [(Fault.EARLY_END, 20), (Fault.CUT, 0), (Fault.UNAVAILABLE, 0)]:
            simulator.fault(name, fault, count=1, after=after)
        stream = manager.stream(name, PROMPT)
        assert (await read(stream))[1] is None
        assert stream.text == TEXT
        assert len(simulator.completions(name)) == 4
        assert manager.services[name].report().value("retries_total") == 3


@pytest.mark.parametrize("name", SERVICES)
async def test_what_breaks_after_the_first_text_is_not_tried_again(connected, name):
    async with connected(retry=QUICK) as (manager, simulator):
        simulator.fault(name, Fault.EARLY_END)
        pieces, error = await read(manager.stream(name, PROMPT))
        assert pieces
        assert type(error) is StreamTruncatedError
        assert len(simulator.completions(name)) == 1


@pytest.mark.parametrize("name", SERVICES)
async def test_an_error_inside_a_stream_is_the_vendors_and_what_came_is_kept(connected, name):
    async with connected(retry=QUICK) as (manager, simulator):
        simulator.fault(name, Fault.STREAM_ERROR)
        stream = manager.stream(name, PROMPT)
        pieces, error = await read(stream)
        report = manager.services[name].report()
    assert type(error) is ServiceUnavailableError
    assert error.partial == "".join(pieces) != ""
    assert report.reading("errors_total", kind="unavailable").value == 1
    assert report.breaker.failures == 1
    assert is_silent(error, report)


REFUSED = [
    (Fault.RATE_LIMIT, RateLimitError),
    (Fault.OUT_OF_MONEY, QuotaExceededError),
    (Fault.GARBAGE, ServiceUnavailableError),
    (Fault.GATEWAY_TIMEOUT, ServiceTimeoutError),
    (Fault.RESET, ServiceConnectionError),
    (Fault.REFUSED, ContentRefusedError),
]


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize(("fault", "error_class"), REFUSED)
async def test_an_error_instead_of_a_stream_is_as_for_a_query(connected, name, fault, error_class):
    async with connected() as (manager, simulator):
        simulator.fault(name, fault, retry_after=0.02)
        _, error = await read(manager.stream(name, PROMPT))
        report = manager.services[name].report()
    assert type(error) is error_class
    assert is_silent(error, report)


async def test_what_a_refusal_cost_is_debited(connected):
    async with connected() as (manager, simulator):
        simulator.fault("claude", Fault.REFUSED)
        _, error = await read(manager.stream("claude", PROMPT))
        spent = manager.services["claude"].report().value("budget.spent")
    assert spent == error.usage.nanousd > 0


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("how", ["aclose", "async with", "cancelled", "forgotten"])
async def test_a_stream_that_is_left_is_settled_at_once_and_hangs_up(connected, name, how):
    async with connected() as (manager, simulator):
        service, worst = manager.services[name], await worst_case(manager, simulator, name)
        before = service.report().value("budget.spent")
        simulator.fault(name, Fault.STALL)
        await leave(manager.stream(name, PROMPT), how)
        gc.collect()
        for _ in range(10):
            await asyncio.sleep(0)
        report = service.report()
        assert report.value("budget.reserved") == 0
        assert report.value("budget.spent") - before == worst
        assert report.breaker.outcomes == 0
        assert report.value("limit.used", window="minute") == 2
        await simulator_is_idle(simulator)


async def leave(stream, how):
    """Read a piece, then go."""
    match how:
        case "aclose":
            await anext(stream)
            await stream.aclose()
            await stream.aclose()
        case "async with":
            async with stream:
                async for _ in stream:
                    break
        case "cancelled":
            reading = asyncio.create_task(read(stream))
            while not stream.text:
                await asyncio.sleep(0.01)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        case _:
            await anext(stream)


async def simulator_is_idle(simulator):
    """The other side has seen us go: nobody is connected any more."""
    async with asyncio.timeout(20):
        while any(connection.current_request for connection in connections(simulator)):
            await asyncio.sleep(0.01)


def connections(simulator):
    return list(simulator._runner.server._connections)


async def test_a_connection_is_used_again_after_a_stream(connected):
    async with connected() as (manager, simulator):
        seen = set()
        for name in SERVICES * 3:
            await read(manager.stream(name, PROMPT))
            seen |= set(map(id, connections(simulator)))
        assert len(connections(simulator)) == 1


async def test_many_streams_at_once(connected):
    async with connected() as (manager, _):
        streams = [manager.stream(name, PROMPT) for name in SERVICES * 20]
        told = await asyncio.gather(*map(read, streams))
        assert {"".join(pieces) for pieces, _ in told} == {TEXT}
        for name in SERVICES:
            assert manager.services[name].report().value("budget.reserved") == 0


async def test_a_server_that_answers_whole_all_the_same_is_understood(connected):
    """Some compatible servers know no streams."""
    async with connected() as (manager, simulator):
        simulator._services["groq"].dialect.read = not_streaming(simulator)
        stream = manager.stream("groq", PROMPT)
        assert await read(stream) == ([TEXT], None)
        assert stream.completion.usage.nanousd > 0


def not_streaming(simulator):
    from dataclasses import replace

    read_request = simulator._services["groq"].dialect.read
    return lambda *request: replace(read_request(*request), streams=False)


async def test_nobody_to_connect_to_is_a_connection_error_that_costs_nothing(connected):
    async with connected() as (manager, simulator):
        await simulator.stop()
        _, error = await read(manager.stream("claude", PROMPT))
        assert isinstance(error, ServiceConnectionError | ExternalServiceError)
        assert manager.services["claude"].report().value("budget.spent") == 0
