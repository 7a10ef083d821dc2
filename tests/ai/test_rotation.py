"""Several keys take turns; one that died is not sent again, and the call goes on with the next."""

import asyncio
from dataclasses import replace

import pytest

from koo.ai import (
    NOTHING,
    AIService,
    Completion,
    Prompt,
    Rotation,
    ServiceConfig,
    Told,
    Urge,
    Usage,
    WindowTold,
    connect,
)
from koo.errors import (
    AccessDeniedError,
    ApiKeyError,
    InvalidRequestError,
    QuotaExceededError,
    RateLimitError,
    ServiceRejected,
    ServiceUnavailableError,
)
from koo.resilience import Health, RetryConfig
from koo.testing import FakeClock, ScriptedProvider, Simulator, running_clock

from .asking import question
from .conftest import OWN_PRICE, PRICES


def _failed(error, **more):
    return error("claude", "it failed; mend it", usage=NOTHING, request_id="req_1", **more)


def _keys(*providers):
    return Rotation(providers, clock=running_clock())


def _good(number=1):
    return [ScriptedProvider(then="x") for _ in range(number)]


async def test_living_keys_take_turns(serve):
    keys = _good(3)
    service = serve(_keys(*keys))
    for _ in range(6):
        await service.query("Why?")
    assert [len(key.requests) for key in keys] == [2, 2, 2]
    assert service.report().reading("keys.living").value == 3
    assert service.report().reading("keys.living").limit == 3


@pytest.mark.parametrize("error", [ApiKeyError, QuotaExceededError, AccessDeniedError])
async def test_the_call_that_finds_a_dead_key_goes_on_with_the_next(serve, error):
    dead, [good] = ScriptedProvider(_failed(error)), _good()
    service = serve(_keys(good, dead))
    for _ in range(5):
        assert await service.query("Why?") == "x"
    assert (len(dead.requests), len(good.requests)) == (1, 5)
    assert service.report().state is Health.HEALTHY
    assert running_clock().monotonic() < 0.2


async def test_each_attempt_with_another_key_counts_as_a_request(serve):
    service = serve(_keys(ScriptedProvider(_failed(ApiKeyError)), *_good()))
    await service.query("Why?")
    assert service.report().value("limit.used", window="minute") == 2
    assert service.report().value("keys.living") == 1


async def test_without_retries_the_first_call_fails_and_the_next_succeeds(serve):
    keys = _keys(ScriptedProvider(_failed(ApiKeyError)), *_good())
    service = serve(keys, retry=RetryConfig(max_retries=0))
    with pytest.raises(ApiKeyError, match="^claude: key 1 of 2: it failed; mend it$") as caught:
        await service.query("Why?")
    assert caught.value.request_id == "req_1"
    assert await service.query("Why?") == "x"
    assert service.report().state is Health.HEALTHY


async def test_when_every_key_is_dead_the_service_is_isolated_until_a_person_resets(serve):
    keys = [ScriptedProvider(_failed(ApiKeyError), then="x") for _ in range(3)]
    service = serve(_keys(*keys))
    for _ in range(3):
        with pytest.raises(ApiKeyError, match="key 1 of 3"):
            await service.query("Why?")
    assert [len(key.requests) for key in keys] == [1, 1, 1]
    assert service.report().state is Health.CIRCUIT_OPEN
    assert service.report().value("keys.living") == 0
    service.reset()
    assert await service.query("Why?") == "x"
    assert [key.resets_total for key in keys] == [1, 1, 1]


async def test_a_spent_key_comes_back_at_the_time_that_the_vendor_names(serve):
    spent = ScriptedProvider(_failed(QuotaExceededError, retry_after=3600.0), then="spent")
    service = serve(_keys(spent, ScriptedProvider(then="good")))
    assert await service.query("Why?") == "good"
    await asyncio.sleep(3599)
    assert {await service.query("Why?") for _ in range(3)} == {"good"}
    await asyncio.sleep(2)
    assert {await service.query("Why?") for _ in range(2)} == {"good", "spent"}


async def test_when_every_key_is_spent_the_circuit_waits_for_the_first_to_come_back(serve):
    early = ScriptedProvider(_failed(QuotaExceededError, retry_after=100.0), then="early")
    late = ScriptedProvider(_failed(QuotaExceededError, retry_after=900.0), then="late")
    wrong = ScriptedProvider(_failed(ApiKeyError))
    service = serve(_keys(early, late, wrong))
    with pytest.raises(QuotaExceededError, match="key 1 of 3") as caught:
        await service.query("Why?")
    assert caught.value.retry_after == pytest.approx(100.0, abs=1)
    with pytest.raises(ServiceRejected):
        await service.query("Why?")
    await asyncio.sleep(101)
    assert await service.query("Why?") == "early"
    assert [len(key.requests) for key in (early, late, wrong)] == [2, 1, 1]


async def test_a_key_that_is_denied_a_model_still_answers_for_others(serve):
    denied, [good] = ScriptedProvider(_failed(AccessDeniedError), then="x"), _good()
    service = serve(_keys(good, denied))
    for _ in range(4):
        await service.query(Prompt("Why?", model="claude-opus-5"))
    assert len(denied.requests) == 1
    for _ in range(4):
        await service.query("Why?")
    assert len(denied.requests) == 3


async def test_no_more_than_a_hundred_denials_are_remembered():
    keys = [ScriptedProvider(then=_failed(AccessDeniedError)) for _ in range(2)]
    rotation = _keys(*keys)
    for number in range(60):
        for _ in keys:
            with pytest.raises(AccessDeniedError):
                await rotation.complete(rotation.prepare(question("x", f"m{number}", 1)))
    for name, sent in (("m0", 0), ("m59", 1)):
        before = sum(len(key.requests) for key in keys)
        with pytest.raises(AccessDeniedError):
            await rotation.complete(rotation.prepare(question("x", name, 1)))
        assert sum(len(key.requests) for key in keys) == before + sent


@pytest.mark.parametrize("error", [ServiceUnavailableError, InvalidRequestError])
async def test_an_error_that_is_not_the_keys_is_left_as_it_is(error):
    rotation, mistake = None, _failed(error)
    keys = [ScriptedProvider(mistake) for _ in range(2)]
    rotation = _keys(*keys)
    with pytest.raises(error) as caught:
        await rotation.complete(rotation.prepare(question("x", "m", 1)))
    assert caught.value is mistake
    assert rotation.living == 2


async def test_a_check_uses_a_living_key_and_learns_of_a_dead_one():
    dead, alive = ScriptedProvider(models=_failed(ApiKeyError)), ScriptedProvider()
    rotation = _keys(alive, dead)
    with pytest.raises(ApiKeyError):
        await rotation.list_models()
    for _ in range(3):
        assert await rotation.list_models() == ("scripted",)
    assert (dead.checks_total, alive.checks_total) == (1, 3)


async def test_a_stream_finds_the_next_key_before_its_first_text(serve):
    dead, [good] = ScriptedProvider(_failed(ApiKeyError)), _good()
    service = serve(_keys(good, dead))
    for _ in range(3):
        assert "".join([piece async for piece in service.stream("Why?")]) == "x"
    assert (len(dead.requests), len(good.requests)) == (1, 3)


async def test_closing_closes_every_provider():
    keys = _good(2)
    await _keys(*keys).close()
    assert [key.closed_total for key in keys] == [1, 1]


def test_a_service_with_one_key_needs_no_rotation():
    one = ServiceConfig(name="claude", api_key="one")
    assert not isinstance(connect(one), Rotation)
    assert connect(ServiceConfig(name="claude", api_key="one,two")).size == 2
    assert not isinstance(connect(ServiceConfig(name="claude")), Rotation)


@pytest.mark.integration
async def test_over_real_sockets_a_rejected_key_is_sent_once():
    async with Simulator(rejected_keys={"old-key"}) as simulator:
        config = ServiceConfig(
            name="claude",
            api_key="good-key, old-key",
            base_url=simulator.base_url("claude"),
            price=OWN_PRICE,
        )
        clock = FakeClock()
        service = AIService(config, prices=PRICES, clock=clock)
        for _ in range(5):
            await service.query("Why?")
        await service.close()
        statuses = [request.status for request in simulator.requests]
    assert sorted(statuses) == [200] * 5 + [401]
    assert "old-key" not in repr(service.report())


MODEL = "claude-sonnet-5-5"


def _told(remaining=0, reset_after=30.0, urge=Urge.NONE):
    window = WindowTold("requests", "requests", 60, remaining, reset_after)
    return Told(at=running_clock().monotonic(), windows=(window,), urge=urge)


def _telling(*told):
    """A key whose answers tell that, one after the other."""
    said = [Completion("x", MODEL, "stop", Usage(1, 1), None, one) for one in told]
    return ScriptedProvider(*said, then="x")


def _left(service, key):
    return service.report().value("told.remaining", model=MODEL, window="requests", key=key)


async def test_a_key_that_has_nothing_left_rests_while_the_others_go_on(serve):
    spent, free = _telling(_told(0)), _telling(_told(50))
    service = serve(_keys(spent, free))
    for _ in range(5):
        await service.query("Why?")
    assert (len(spent.requests), len(free.requests)) == (1, 4)
    assert running_clock().monotonic() == 0.0
    assert (_left(service, "1"), _left(service, "2")) == (0, 47)
    assert service.report().state is Health.HEALTHY
    assert "0 of 60 requests left at the vendor, claude-sonnet-5-5, key 1" in service.explain()
    await asyncio.sleep(31)
    await service.query("Why?")
    await service.query("Why?")
    assert (len(spent.requests), len(free.requests)) == (2, 5)


async def test_when_no_key_has_anything_left_a_call_waits_for_the_first_reset(serve):
    late, early = _telling(_told(0, 50.0)), _telling(_told(0, 20.0))
    service = serve(_keys(late, early))
    for _ in range(2):
        await service.query("Why?")
    assert service.report().state is Health.RATE_LIMITED
    assert service.report().cause.endswith("more in 20 s at the latest")
    await service.query("Why?")
    assert running_clock().monotonic() == pytest.approx(20.0, abs=0.01)
    assert (len(late.requests), len(early.requests)) == (1, 2)


async def test_calls_at_once_share_what_all_keys_have_left(serve):
    keys = [_telling(_told(2)), _telling(_told(3))]
    service = serve(_keys(*keys))
    for _ in range(2):
        await service.query("Why?")
    await asyncio.gather(*(service.query("Why?") for _ in range(5)))
    assert running_clock().monotonic() == 0.0
    assert [len(key.requests) for key in keys] == [3, 4]
    await service.query("Why?")
    assert running_clock().monotonic() >= 30.0


async def test_a_stream_is_sent_with_the_key_that_has_room(serve):
    spent, free = _telling(_told(0)), _good()[0]
    service = serve(_keys(spent, free))
    for _ in range(3):
        assert [piece async for piece in service.stream("Why?")] == ["x"]
    assert (len(spent.requests), len(free.requests)) == (1, 2)


async def test_a_refusal_that_one_keys_window_explains_is_tried_again_with_another(serve):
    error = _failed(RateLimitError)
    error.told = _told(0)
    spent, free = ScriptedProvider(error, then="x"), _good()[0]
    service = serve(_keys(spent, free))
    assert await service.query("Why?") == "x"
    assert (len(spent.requests), len(free.requests)) == (1, 1)
    assert service.report().value("pace.per_minute") is None


async def test_a_key_that_is_asked_to_wait_rests_while_the_others_go_on(serve):
    late = ScriptedProvider(_failed(RateLimitError, retry_after=20.0), then="late")
    good = ScriptedProvider(then="good")
    service = serve(_keys(late, good))
    assert {await service.query("Why?") for _ in range(4)} == {"good"}
    assert running_clock().monotonic() < 0.2
    assert service.report().value("keys.living") == 2
    assert service.report().state is Health.HEALTHY
    await asyncio.sleep(20)
    assert {await service.query("Why?") for _ in range(2)} == {"late", "good"}


async def test_a_key_that_waits_for_one_model_answers_for_others(serve):
    late = ScriptedProvider(_failed(RateLimitError, retry_after=20.0), then="late")
    service = serve(_keys(late, *_good()))
    await service.query("Why?")
    assert await service.query(Prompt("Why?", model="claude-opus-5")) == "late"


async def test_when_every_key_is_asked_to_wait_all_wait_for_the_first(serve):
    error = _failed(RateLimitError, retry_after=20.0)
    sooner = _failed(RateLimitError, retry_after=5.0)
    keys = [ScriptedProvider(error, then="x"), ScriptedProvider(sooner, then="y")]
    service = serve(_keys(*keys))
    assert await service.query("Why?") == "y"
    assert running_clock().monotonic() == pytest.approx(5.0, abs=1.0)


async def test_a_dead_key_leaves_the_others_their_windows(serve):
    dead, spent = ScriptedProvider(_failed(ApiKeyError)), _telling(_told(0))
    service = serve(_keys(dead, spent))
    await service.query("Why?")
    assert service.report().state is Health.RATE_LIMITED
    await service.query("Why?")
    assert running_clock().monotonic() >= 30.0
    assert len(dead.requests) == 1


async def test_a_request_goes_with_its_key_as_long_as_that_lives():
    keys = [_telling(_told(1)), ScriptedProvider(_failed(ApiKeyError)), _telling(_told(3))]
    rotation = _keys(*keys)
    request = rotation.prepare(question("x", MODEL, 1))
    with pytest.raises(ApiKeyError):
        await rotation.complete(replace(request, key=1))
    assert (await rotation.complete(replace(request, key=2))).told.key == 2
    assert (await rotation.complete(replace(request, key=1))).text == "x"
    assert len(keys[1].requests) == 1


async def test_what_one_key_is_asked_to_do_is_done_for_all(serve):
    error = _failed(RateLimitError)
    error.told = _told(urge=Urge.GROW_SLOWLY)
    keys = [ScriptedProvider(error, then="x"), ScriptedProvider(error, then="x")]
    service = serve(_keys(*keys), retry=RetryConfig(max_retries=0))
    with pytest.raises(RateLimitError):
        await service.query("Why?")
    report = service.report()
    assert report.value("pace.per_minute") == pytest.approx(30.0)
    assert report.reading("told.remaining", model=MODEL, window="requests") is None
