"""Every row of the table of surfaces, asked of a simulator over real sockets, in no time at all."""

import itertools
from contextlib import asynccontextmanager

import pytest

from koo.ai import VENDORS, AIService, Heard, ServiceConfig, connect
from koo.errors import ContentRefusedError, ExternalServiceError, ServiceConnectionError
from koo.resilience import Health, Mode, RetryConfig
from koo.testing import SCENARIOS, FakeClock, Simulator

from .asking import question
from .conftest import OWN_PRICE, PRICES
from .surfaces import CANARY, KEY, NOW, ROWS, SERVICES

pytestmark = pytest.mark.integration

ROUTES = [row for row in ROWS if row.scenario.service == ""]
SHUT = [row for row in ROWS if row.breaker in {"isolated", "until"}]


def _name(row):
    return f"{row.service}-{row.surface}"


def _config(row, simulator, service=None):
    service = service or row.service
    own = {} if service in VENDORS or service == "claude" else {"model": "m"}
    return ServiceConfig(
        name=service,
        api_key=KEY,
        base_url=simulator.base_url(service, row.surface),
        # Nobody's own price bounds what Perplexity's models search for; the table's does.
        price=None if service == "perplexity" else OWN_PRICE,
        retry=RetryConfig(max_retries=2),
        timeout=60.0,
        patience=0.01,
        **own,
    )


class Asking:
    """A service whose vendor sends one surface; it shares its clock with the vendor."""

    def __init__(self, service, simulator, clock):
        self.service, self.simulator, self.clock = service, simulator, clock

    @property
    def sent(self):
        return len(self.simulator.requests)

    async def error(self):
        """The error of a query; None if it is answered."""
        try:
            await self.service.query(CANARY)
        except ExternalServiceError as error:
            return error
        return None


@asynccontextmanager
async def _asking(row, service=None):
    clock = FakeClock(epoch=NOW)
    async with Simulator(SERVICES, clock=clock) as simulator:
        config = _config(row, simulator, service)
        asked = AIService(config, prices=PRICES, clock=clock, random=lambda: 0.0)
        try:
            yield Asking(asked, simulator, clock)
        finally:
            await asked.close()


def test_the_table_has_a_row_for_every_scenario_and_none_twice():
    rows = [(row.scenario.service, row.surface) for row in ROWS]
    assert len(rows) == len(set(rows)) == len(SCENARIOS)
    assert set(rows) == {(one.service, one.name) for one in SCENARIOS}
    assert len(rows) >= 230


@pytest.mark.parametrize("row", ROWS, ids=_name)
async def test_a_surface_comes_to_what_its_row_says(row):
    async with _asking(row) as asking:
        error = await asking.error()
        sent, report = asking.sent, asking.service.report()
    assert (None if error is None else type(error)) is row.error
    assert sent == row.sent
    assert _effect(report) == row.breaker
    if error is not None:
        assert error.retryable is row.retryable
        assert error.retry_after == (None if row.wait is None else pytest.approx(row.wait))
        # A retry begins when the answer allows it, and a wait in vain is not begun.
        waits = [0.0 if row.wait is None else row.wait] * (row.sent - 1)
        assert asking.clock.slept[: len(waits)] == pytest.approx(waits)
        names_it = row.scenario.status and row.scenario.service not in {"", "gemini"}
        assert (error.request_id is not None) is bool(names_it)
        _assert_silent(error, report)


@pytest.mark.parametrize("row", SHUT, ids=_name)
async def test_after_it_nothing_is_sent_until_the_time_named_or_a_person_resets(row):
    async with _asking(row) as asking:
        first = await asking.error()
        report = asking.service.report()
        assert report.state is Health.CIRCUIT_OPEN
        assert report.cause == first.detail
        asking.clock.advance(10**7 if row.wait is None else row.wait - 0.1)
        assert await asking.error() is not None
        assert asking.sent == 1
        if row.wait is None:
            asking.service.reset()
        else:
            asking.clock.advance(0.2)
        await asking.error()
        assert asking.sent == 2


@pytest.mark.parametrize("row", ROUTES, ids=_name)
@pytest.mark.parametrize("service", ["openai", "gemini", "groq"])
async def test_what_happens_on_the_way_is_the_same_for_every_vendor(row, service):
    async with _asking(row, service) as asking:
        error = await asking.error()
        assert type(error) is row.error
        assert asking.sent == row.sent


STREAMED = [row for row in ROWS if row.scenario.status]


@pytest.mark.parametrize("row", STREAMED, ids=_name)
async def test_a_stream_comes_to_the_same_error_and_is_not_begun_again(row):
    inside = row.scenario.event is not None
    async with _asking(row) as asking:
        told, error = [], None
        try:
            async for text in asking.service.stream(CANARY):
                told += [text]
        except ExternalServiceError as raised:
            error = raised
        sent, report = asking.sent, asking.service.report()
    assert (None if error is None else type(error)) is row.error
    assert sent == (1 if inside else row.sent)
    assert bool(told) is (inside or error is None)
    assert _effect(report) == row.breaker
    if error is not None:
        assert error.retry_after == (None if row.wait is None else pytest.approx(row.wait))
        assert error.partial == "".join(told)
        _assert_silent(error, report)
    if inside:
        assert error.usage is None
        assert report.value("budget.reserved") == 0 < report.value("budget.spent")


FLAGGED = [
    ("claude", "window-full", "model_context_window_exceeded"),
    ("claude", "cut-off", "max_tokens"),
    ("openai", "cut-off", "length"),
    ("openai-responses", "cut-off", "max_output_tokens"),
    ("gemini", "cut-off", "MAX_TOKENS"),
]


@pytest.mark.parametrize(("service", "surface", "finish"), FLAGGED)
async def test_an_answer_that_was_cut_off_says_so(service, surface, finish):
    assert (await _complete(service, surface)).finish == finish


USED = [
    ("claude", 1312, 5, 1000, 300),
    ("openai", 2000, 50, 1500, 0),
    ("openai-responses", 2000, 50, 1500, 200),
    ("gemini", 2000, 50, 1500, 0),
    ("vllm", 10, 5, 8, 0),
]


@pytest.mark.parametrize(("service", "taken", "given", "read", "written"), USED)
async def test_what_was_cached_is_counted_once(service, taken, given, read, written):
    usage = (await _complete(service, "cached")).usage
    parts = dict(usage.parts)
    assert (usage.input_tokens, usage.output_tokens) == (taken, given)
    assert parts["cache_read_tokens"] == read
    assert parts.get("cache_write_tokens", 0) == written
    assert (parts.get("output_reasoning_tokens", 0) > 0) is (service != "vllm")


TWICE = [row for row in ROWS if row.scenario.events]


@pytest.mark.parametrize("row", TWICE, ids=_name)
async def test_a_stream_is_counted_like_the_same_answer_in_one_piece(row):
    whole = await _complete(row.service, row.surface)
    async with Simulator(SERVICES, clock=FakeClock(epoch=NOW)) as simulator:
        streamed = await _hear_with(_config(row, simulator))
    assert streamed.usage == whole.usage is not None
    assert (streamed.text, streamed.told) == (whole.text, whole.told)


CHARGES = [
    ("perplexity", "billed", 5_120_000),
    ("openrouter", "charged", 140_000),
    ("openrouter", "own-key", 21_000_000),
    ("openrouter", "processing", 140_000),
]


@pytest.mark.parametrize(("service", "surface", "charge"), CHARGES)
async def test_the_charge_that_the_vendor_itself_names_is_believed(service, surface, charge):
    assert (await _complete(service, surface)).usage.nanousd == charge


async def test_requests_that_are_told_for_a_day_are_a_window_of_their_reset():
    told = (await _complete("groq", "day-window")).told
    assert [(one.limit, one.remaining, one.reset_after) for one in told.windows] == [
        (14_400, 14_370, pytest.approx(179.56)),
        (18_000, 17_997, pytest.approx(7.66)),
    ]


BILLS = [
    ("claude", "rate-limit", 0),
    ("claude", "server-error", 0),
    ("claude", "spend-cap-inside", 0),
    ("claude", "overloaded-inside", None),
    ("claude", "page-200", None),
    ("openai", "server-error-inside", None),
    ("openai", "bad-request-inside", 0),
]


@pytest.mark.parametrize(("service", "surface", "tokens"), BILLS)
async def test_what_was_refused_costs_nothing_and_what_broke_off_inside_is_unknown(
    service, surface, tokens
):
    with pytest.raises(ExternalServiceError) as caught:
        await _complete(service, surface)
    usage = caught.value.usage
    assert (None if usage is None else usage.tokens) == tokens


async def test_a_refusal_brings_its_bill():
    with pytest.raises(ContentRefusedError) as caught:
        await _complete("openai", "filtered")
    assert caught.value.usage.tokens == 2050


async def test_where_nothing_can_listen_nothing_was_sent():
    simulator = Simulator(SERVICES)
    config = _config(ROUTES[0], simulator)
    with pytest.raises(ServiceConnectionError) as caught:
        await _complete_with(config)
    assert caught.value.usage.tokens == 0


async def _complete(service, surface):
    [row] = [row for row in ROWS if (row.service, row.surface) == (service, surface)]
    async with Simulator(SERVICES, clock=FakeClock(epoch=NOW)) as simulator:
        return await _complete_with(_config(row, simulator))


async def _complete_with(config):
    provider = connect(config, clock=FakeClock(epoch=NOW))
    try:
        return await provider.complete(provider.prepare(question(CANARY, config.model, 7)))
    finally:
        await provider.close()


async def _hear_with(config):
    provider = connect(config, clock=FakeClock(epoch=NOW))
    asked = provider.prepare(question(CANARY, config.model, 7, streams=True))
    try:
        return [item async for item in provider.stream(asked, Heard())][-1]
    finally:
        await provider.close()


def _effect(report):
    breaker = report.breaker
    if breaker.mode is Mode.ISOLATED:
        return "isolated"
    if report.state is Health.CIRCUIT_OPEN:
        return "until"
    if breaker.failures:
        assert breaker.failures == breaker.outcomes
        return "failed"
    if breaker.outcomes:
        return "success"
    return "paused" if report.state is Health.RATE_LIMITED else "nothing"


def _assert_silent(error, report):
    """Neither the prompt nor the key, which the vendor quotes, is in anything that is shown."""
    causes = itertools.takewhile(bool, _chain(error))
    shown = " ".join(f"{one} {one!r} {getattr(one, '__notes__', '')}" for one in causes)
    assert CANARY not in shown + repr(report)
    assert KEY not in shown + repr(report)


def _chain(error):
    while True:
        yield error
        error = error and error.__cause__
