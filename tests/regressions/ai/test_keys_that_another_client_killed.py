"""One dead key of several, in another client's hands, shut the whole service; none was offered.

And what the answer told that found the last key dead was lost.
"""

from contextlib import suppress

import pytest

from koo.ai import AIService, Estimate, Rotation, ServiceConfig, Told, Urge
from koo.errors import (
    AccessDeniedError,
    ApiKeyError,
    QuotaExceededError,
    RateLimitError,
    ServiceUnavailableError,
)
from koo.testing import FakeClock, ScriptedProvider

from ...ai.asking import question
from ...ai.conftest import PRICES

MOST = Estimate(input_tokens=1, output_tokens=10, model="gpt-5-mini")
USED = {"prompt_tokens": 1, "completion_tokens": 2}
LIMITS = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "60s"}


class APIStatusError(Exception):
    """As an SDK has one."""

    __module__ = "openai.nowhere"

    def __init__(self, status, headers=None):
        super().__init__(status)
        self.status_code, self.body = status, {"message": "no"}
        self.response = type("Response", (), {"headers": headers or {}})()


def service_of(keys):
    config = ServiceConfig(name="openai", api_key=keys)
    clock = FakeClock()
    providers = [ScriptedProvider(then="x") for _ in config.api_keys]
    provider = Rotation(providers, clock=clock) if len(providers) > 1 else providers[0]
    return AIService(config, provider, prices=PRICES, clock=clock)


async def key_of_a_call(service):
    async with service.permit(MOST) as call:
        key = call.api_key
        call.settle(USED)
    return key


async def failed(service, error, *, asks=True):
    """What *error* means, met with the key that was given, or with one of the client's own."""
    call = service.permit(MOST)
    with suppress(APIStatusError):
        async with call:
            if asks:
                _ = call.api_key
            raise error
    return call.error


def living(service):
    return service.report().value("keys.living")


async def test_the_only_key_is_the_key():
    assert await key_of_a_call(service_of("key-a")) == "key-a"


async def test_several_keys_take_turns():
    service = service_of("key-a,key-b")
    assert {await key_of_a_call(service) for _ in range(2)} == {"key-a", "key-b"}


@pytest.mark.parametrize(("status", "kind"), [(401, ApiKeyError), (402, QuotaExceededError)])
async def test_a_dead_key_is_not_given_again_and_the_service_goes_on(status, kind):
    service = service_of("key-a,key-b")
    error = await failed(service, APIStatusError(status))
    assert type(error) is kind
    assert error.retryable
    assert living(service) == 1
    assert len({await key_of_a_call(service) for _ in range(4)}) == 1
    assert await service.query("Why?") == "x"


async def test_the_last_key_that_dies_shuts_the_service():
    service = service_of("key-a,key-b")
    await failed(service, APIStatusError(401))
    assert not (await failed(service, APIStatusError(401))).retryable
    with pytest.raises(ApiKeyError):
        await key_of_a_call(service)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, ApiKeyError), (402, QuotaExceededError), (403, AccessDeniedError)],
)
async def test_a_key_of_its_own_says_nothing_of_the_others(status, kind):
    service = service_of("key-a,key-b")
    for _ in range(3):
        assert type(await failed(service, APIStatusError(status), asks=False)) is kind
    assert living(service) == 2
    assert await service.query("Why?") == "x"


async def test_other_errors_are_what_they_are_whatever_the_key():
    service = service_of("key-a,key-b")
    for asks in (True, False):
        error = await failed(service, APIStatusError(500), asks=asks)
        assert type(error) is ServiceUnavailableError
    assert living(service) == 2


async def test_when_all_keys_are_to_wait_no_call_is_let_in():
    service = service_of("key-a,key-b")
    for _ in range(2):
        await failed(service, APIStatusError(429, {"retry-after": "30"}))
    with pytest.raises(RateLimitError) as caught:
        await key_of_a_call(service)
    assert caught.value.retry_after == pytest.approx(30)


@pytest.mark.parametrize(("asks", "windows"), [(True, 1), (False, 0)])
async def test_what_headers_tell_is_of_the_key_that_was_asked_for(asks, windows):
    service = service_of("key-a,key-b")
    async with service.permit(MOST) as call:
        if asks:
            _ = call.api_key
        call.settle(USED, LIMITS)
    told = [one for one in service.report().readings if one.name == "told.remaining"]
    assert len(told) == windows


async def test_a_key_is_given_only_inside_of_the_block():
    call = service_of("key-a,key-b").permit(MOST)
    with pytest.raises(RuntimeError, match="not let in yet"):
        _ = call.api_key


async def test_what_the_answer_told_that_found_the_last_key_dead_is_kept():
    slow = RateLimitError("openai", "it grew too fast", retry_after=5.0)
    slow.told = Told(urge=Urge.GROW_SLOWLY)
    keys = [ScriptedProvider(then=slow) for _ in range(2)]
    rotation = Rotation(keys, clock=FakeClock())
    asked = rotation.prepare(question("a"))
    for _ in range(2):
        with pytest.raises(RateLimitError) as caught:
            await rotation.complete(asked)
        assert caught.value.told.urge is Urge.GROW_SLOWLY
