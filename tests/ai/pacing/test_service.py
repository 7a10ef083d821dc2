"""A service stays within its own limits and within its vendor's, and says what holds calls back."""

import asyncio
import itertools

import pytest

from koo.ai import NOTHING, Completion, Prompt, Told, Urge, Usage, WindowTold
from koo.errors import RateLimited, RateLimitError, Saturated, ServiceRejected
from koo.resilience import Health, LimitReached, PaceChanged, RetryConfig
from koo.testing import After, ScriptedProvider, running_clock

MODEL = "claude-sonnet-5-5"
ONCE = RetryConfig(max_retries=0)


def _said(remaining, reset_after=30.0, *, limit=60, usage=None):
    windows = (WindowTold("requests", "requests", limit, remaining, reset_after),)
    usage = usage or Usage(10, 5)
    return Completion("x", MODEL, "stop", usage, None, Told(at=0.0, windows=windows))


def _throttled(urge=Urge.NONE):
    error = RateLimitError("claude", "too many requests; wait", usage=NOTHING)
    error.told = Told(at=0.0, urge=urge)
    return error


async def _stamps(service, number):
    """The moments at which so many queries at once were answered; None for those refused."""

    async def ask():
        try:
            await service.query("Why?")
        except ServiceRejected:
            return None
        return running_clock().monotonic()

    return await asyncio.gather(*(ask() for _ in range(number)))


# -- what the vendor tells -----------------------------------------------------------------------


async def test_calls_wait_for_the_vendors_reset_before_it_has_to_refuse_one(serve):
    heard = []
    provider = ScriptedProvider(_said(0), then="x")
    service = serve(provider, on_event=heard.append)
    await service.query("Why?")
    assert await service.query("Why?") == "x"
    assert running_clock().monotonic() == pytest.approx(30.0, abs=0.1)
    assert len(provider.requests) == 2
    assert isinstance(heard[0], LimitReached)


async def test_who_can_not_wait_so_long_hears_at_once_which_limit_it_is_and_until_when(serve):
    service = serve(ScriptedProvider(_said(0)), timeout=20.0)
    await service.query("Why?")
    with pytest.raises(ServiceRejected) as caught:
        await service.query("Why?")
    assert str(caught.value) == (
        "claude: rate limit reached (0 of 60 requests are left at the service); try again in 30.0 s"
    )
    assert caught.value.retry_after == 30.0
    assert running_clock().monotonic() == 0.0


async def test_another_model_is_not_held_back(serve):
    provider = ScriptedProvider(_said(0), then="x")
    service = serve(provider)
    await service.query("Why?")
    await service.query(Prompt("Why?", model="claude-opus-5"))
    assert running_clock().monotonic() == 0.0


async def test_a_report_tells_what_the_vendor_told(serve):
    service = serve(ScriptedProvider(_said(7), _said(0)))
    await service.query("Why?")
    labels = {"model": MODEL, "window": "requests"}
    report = service.report()
    assert report.reading("told.remaining", **labels).limit == 60
    assert report.value("told.remaining", **labels) == 7
    assert report.value("told.reset_after", **labels) == 30.0
    assert report.state is Health.HEALTHY
    await service.query("Why?")
    report = service.report()
    assert report.state is Health.RATE_LIMITED
    cause = "0 of 60 requests are left at the service; more in 30 s at the latest"
    assert report.cause == cause


async def test_a_stream_teaches_too(serve):
    service = serve(ScriptedProvider(_said(3)))
    async for _ in service.stream("Why?"):
        pass
    assert service.report().value("told.remaining", model=MODEL, window="requests") == 3


async def test_a_reset_forgets_what_was_learned_of_the_vendor(serve):
    service = serve(ScriptedProvider(_said(0), then="x"))
    await service.query("Why?")
    service.reset()
    await service.query("Why?")
    assert running_clock().monotonic() == 0.0


# -- what the vendor shows -----------------------------------------------------------------------


async def test_refused_without_a_word_calls_are_spread(serve):
    heard = []
    provider = ScriptedProvider("x", _throttled(), then="x")
    service = serve(provider, on_event=heard.append, retry=ONCE)
    await service.query("Why?")
    with pytest.raises(RateLimitError):
        await service.query("Why?")
    assert service.report().value("pace.per_minute") == pytest.approx(96.0)
    assert PaceChanged in [type(event) for event in heard]
    await _stamps(service, 3)
    assert running_clock().monotonic() == pytest.approx(1.0 + 1.0 + 1 / 1.6, abs=0.1)


async def test_traffic_that_grew_too_fast_goes_on_at_half(serve):
    service = serve(ScriptedProvider(_throttled(Urge.GROW_SLOWLY)), retry=ONCE)
    with pytest.raises(RateLimitError):
        await service.query("Why?")
    assert service.report().value("pace.per_minute") == pytest.approx(30.0)


# -- our own -------------------------------------------------------------------------------------


async def test_of_two_hundred_at_once_twenty_pass_in_any_minute(serve):
    service = serve(ScriptedProvider(then="x"), requests_per_minute=20, timeout=130.0)
    stamps = [stamp for stamp in await _stamps(service, 200) if stamp is not None]
    assert sum(stamp == 0.0 for stamp in stamps) == 20
    assert all(sum(begin <= stamp < begin + 60.0 for stamp in stamps) <= 20 for begin in stamps)
    assert len(stamps) == 60


async def test_the_tokens_of_a_minute_are_reserved_by_estimate_and_settled_by_use(serve):
    answer = Completion("x", MODEL, "stop", Usage(300, 200))
    service = serve(
        ScriptedProvider(then=answer), tokens_per_minute=2_000, max_tokens=996, timeout=90.0
    )
    stamps = await _stamps(service, 4)
    assert [round(stamp) for stamp in stamps] == [0, 0, 0, 61]
    report = service.report()
    assert report.reading("limit.used", window="tokens_minute").limit == 2_000
    assert report.value("limit.used", window="tokens_minute") == 500


async def test_a_spent_minute_of_tokens_is_named(serve):
    answer = Completion("x", MODEL, "stop", Usage(600, 400))
    service = serve(ScriptedProvider(then=answer), tokens_per_minute=1_000, max_tokens=900)
    await service.query("Why?")
    assert service.report().cause == "1000 tokens per minute are used up"


async def test_no_more_calls_are_in_flight_than_allowed_and_the_others_wait_in_order(serve):
    most = 0
    flying = 0

    def on_send(_):
        nonlocal most, flying
        flying += 1
        most = max(most, flying)

    class Counting(ScriptedProvider):
        async def complete(self, request):
            nonlocal flying
            try:
                return await super().complete(request)
            finally:
                flying -= 1

    provider = Counting(then=After(1.0, "x"), on_send=on_send, clock=running_clock())
    service = serve(provider, max_concurrent=2, requests_per_minute=100)
    asked = asyncio.create_task(_stamps(service, 6))
    await asyncio.sleep(0.5)
    report = service.report()
    assert report.reading("calls.in_flight").limit == 2
    assert (report.value("calls.in_flight"), report.value("calls.waiting")) == (2, 4)
    assert [round(stamp) for stamp in await asked] == [1, 1, 2, 2, 3, 3]
    assert most == 2


async def test_too_many_in_flight_are_refused_to_whom_it_is_too_long(serve):
    provider = ScriptedProvider(then=After(10.0, "x"), clock=running_clock())
    service = serve(provider, max_concurrent=1, patience=2.0)
    first = asyncio.create_task(service.query("Why?"))
    await asyncio.sleep(0)
    with pytest.raises(ServiceRejected) as caught:
        await service.query("Why?")
    assert isinstance(caught.value.__cause__, Saturated)
    assert not isinstance(caught.value.__cause__, RateLimited)
    await first


@pytest.mark.parametrize("name", ["tokens_per_minute", "max_concurrent"])
async def test_a_limit_that_lets_nothing_through_is_refused(serve, name):
    with pytest.raises(ValueError, match=f"claude: {name} must be at least 1; None is no limit"):
        serve(ScriptedProvider(), **{name: 0})


async def test_refused_again_and_again_without_a_word_a_call_asks_after_longer_and_longer(serve):
    stamps = []
    provider = ScriptedProvider(
        *[_throttled()] * 4,
        then="x",
        on_send=lambda _: stamps.append(running_clock().monotonic()),
    )
    service = serve(provider, retry=RetryConfig(max_retries=5))
    assert await service.query("Why?") == "x"
    gaps = [after - before for before, after in itertools.pairwise(stamps)]
    assert len(gaps) == 4
    assert all(gap >= hold for gap, hold in zip(gaps, (1.0, 2.0, 4.0, 8.0), strict=True))
