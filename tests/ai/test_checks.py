"""A service is asked at most once per interval, by one asker at a time, and never for money."""

import asyncio

import pytest

from koo.ai import NOTHING
from koo.errors import ApiKeyError, ServiceUnavailableError
from koo.resilience import Deadline, Health, HealthChecked, Policy, current_deadline
from koo.testing import ScriptedProvider, running_clock


class _SlowToList(ScriptedProvider):
    async def list_models(self):
        await asyncio.sleep(2.0)
        self.deadline = current_deadline()
        return await super().list_models()


async def test_a_check_asks_for_the_models_and_remembers_the_answer(serve):
    heard = []
    provider = _SlowToList()
    service = serve(provider, on_event=heard.append)
    report = await service.check()
    assert report.check.ok
    assert report.check.response_time == pytest.approx(2.0)
    assert report.check.at == running_clock().time()
    assert heard == [
        HealthChecked("ai:claude", ok=True, error=None, seconds=report.check.response_time)
    ]
    assert provider.requests == []


async def test_the_interval_is_told_once_checks_are_made_in_the_background(serve):
    service = serve(ScriptedProvider(), check_interval=45.0)
    assert (await service.check()).check.interval is None
    assert (await service.check_unless_busy()).check.interval == 45.0


async def test_an_open_circuit_is_half_opened_by_hand_and_a_closed_one_is_left(serve):
    service = serve(ScriptedProvider())
    service.half_open()
    assert service.report().breaker.state == "closed"
    service._breaker.open_until(60, "the service asked for it")
    service.half_open()
    report = service.report()
    assert (report.state, report.cause) == (Health.DEGRADED, "half-opened by hand")


async def test_within_the_interval_the_last_answer_is_repeated(serve):
    provider = ScriptedProvider()
    service = serve(provider, check_interval=60.0)
    for _ in range(5):
        await service.check()
    assert provider.checks_total == 1
    await asyncio.sleep(60)
    await service.check()
    assert provider.checks_total == 2


async def test_whoever_comes_meanwhile_joins(serve):
    provider = _SlowToList()
    service = serve(provider, check_interval=1.0)
    reports = await asyncio.gather(*(service.check() for _ in range(20)))
    assert provider.checks_total == 1
    assert all(report.check.ok for report in reports)


async def test_an_asker_who_gives_up_takes_nobody_else_along(serve):
    provider = _SlowToList()
    service = serve(provider)
    patient = asyncio.create_task(service.check())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await service.check()
    assert (await patient).check.ok


async def test_no_callers_deadline_leaks_into_a_check(serve):
    provider = _SlowToList()
    service = serve(provider, check_timeout=5.0)
    with pytest.raises(Exception, match="no answer"):
        await Policy("caller", timeout=1.0, clock=running_clock()).run(service.check)
    await asyncio.sleep(2)
    assert provider.checks_total == 1
    assert provider.deadline == Deadline(5.0)


async def test_a_failed_check_makes_a_service_unhealthy_until_a_call_succeeds(serve):
    down = ServiceUnavailableError("claude", "the service failed; try again", usage=NOTHING)
    service = serve(ScriptedProvider("x", models=down))
    report = await service.check()
    assert report.state is Health.UNHEALTHY
    assert report.cause == report.check.error == "claude: the service failed; try again"
    await asyncio.sleep(1)
    await service.query("Why?")
    assert service.report().check.success_since
    assert service.report().state is Health.HEALTHY


async def test_a_check_that_hangs_ends_with_its_timeout(serve):
    service = serve(_SlowToList(), check_timeout=0.5)
    report = await service.check()
    assert not report.check.ok
    assert "no answer" in report.check.error
    assert running_clock().monotonic() == pytest.approx(0.5, abs=0.05)


async def test_a_mistake_in_a_provider_fails_the_check_and_quotes_nothing(serve):
    report = await serve(ScriptedProvider(models=KeyError("secret"))).check()
    assert report.state is Health.UNHEALTHY
    assert report.check.error == "ai:claude: unexpected KeyError"


async def test_a_refused_key_in_a_check_is_shown_but_opens_no_circuit(serve):
    error = ApiKeyError("claude", "the API key was refused; correct it", usage=NOTHING)
    report = await serve(ScriptedProvider(models=error)).check()
    assert report.state is Health.UNHEALTHY
    assert report.cause == "claude: the API key was refused; correct it"


async def test_a_vendor_without_a_list_is_only_watched(serve):
    provider = ScriptedProvider(models=None)
    report = await serve(provider).check()
    assert report.check is None
    assert report.state is Health.HEALTHY


async def test_a_busy_service_is_not_asked_because_its_calls_tell_more(serve):
    provider = ScriptedProvider(then="x")
    service = serve(provider, check_interval=60.0)
    await service.query("Why?")
    assert (await service.check_unless_busy()).check is None
    await asyncio.sleep(61)
    assert (await service.check_unless_busy()).check.ok
    assert provider.checks_total == 1
