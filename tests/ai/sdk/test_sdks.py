"""Real SDKs and the simulator: koo sees of their calls what it sees of its own."""

from functools import partial

import pytest

from koo.ai import AIManager, Estimate, ServiceConfig
from koo.errors import (
    ExternalServiceError,
    ServiceConnectionError,
    ServiceRejected,
    ServiceTimeoutError,
)
from koo.resilience import RetryConfig
from koo.testing import SCENARIOS, Fault, Simulator, free_port

from .conftest import CLIENTS, MAX_TOKENS, MODELS, asked, send, send_stream

pytestmark = [
    pytest.mark.integration,
    # google-genai's own, of how it uses aiohttp and how it lets go of it.
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession"),
]

INSIDE = [
    (scenario.service, scenario.name)
    for scenario in SCENARIOS
    if scenario.service in CLIENTS and scenario.event is not None
]
ERRORS = [
    (scenario.service, scenario.name)
    for scenario in SCENARIOS
    if scenario.service in CLIENTS and scenario.status >= 400
]


def manager_for(service, url, **settings):
    config = ServiceConfig(
        name=service,
        api_key="test-key",
        base_url=url,
        model=MODELS[service],
        max_tokens=MAX_TOKENS,
        retry=RetryConfig(max_retries=0),
        **settings,
    )
    return AIManager.from_configs([config])


def estimate(service):
    return Estimate.of(asked(service), max_tokens=MAX_TOKENS)


async def guarded(manager, service, client, sending=send):
    """The call after its block, whatever the SDK raised."""
    call = manager.permit(service, estimate(service))
    try:
        async with call:
            call.settle(await sending(service, client))
    except Exception as error:  # noqa: BLE001 - each SDK has errors of its own
        return call, error
    return call, None


@pytest.mark.parametrize("sending", [send, send_stream])
@pytest.mark.parametrize("service", CLIENTS)
async def test_an_answer_costs_what_it_costs_when_koo_asks_itself(service, sending, sdks):
    async with Simulator() as simulator:
        url = simulator.base_url(service)
        own, others = manager_for(service, url), manager_for(service, url)
        await own.query(service, "Why is the sky blue?")
        async with CLIENTS[service](url) as client:
            call, error = await guarded(others, service, client, sending)
        assert error is None
        own_report, report = own.services[service].report(), others.services[service].report()
        assert report.value("budget.spent") == own_report.value("budget.spent") > 0
        assert report.value("cost.last") == call.usage.nanousd
        assert report.value("budget.reserved") == 0
        assert report.value("successes_total") == 1
        await own.close()


@pytest.mark.parametrize("service", CLIENTS)
async def test_every_error_means_what_it_means_when_koo_asks_itself(service, sdks):
    """Class, wait, verdict, words and bill of each case in the simulator's book."""
    async with (
        Simulator() as simulator,
        CLIENTS[service](simulator.base_url(service)) as client,
    ):
        for name in [name for one, name in ERRORS if one == service]:
            own = manager_for(service, simulator.base_url(service, name))
            others = manager_for(service, simulator.base_url(service))
            with pytest.raises(ExternalServiceError) as caught:
                await own.query(service, "Why is the sky blue?")
            call, error = await guarded(others, service, client, partial(send, scenario=name))
            assert not isinstance(error, ExternalServiceError), name
            assert seen(call.error, others, service) == seen(caught.value, own, service), name
            assert call.error.retry_after == pytest.approx(caught.value.retry_after, abs=2), name
            await own.close()


def seen(error, manager, service):
    report = manager.services[service].report()
    spent = report.value("budget.spent")
    return type(error), error.retryable, str(error), report.breaker.state, spent


@pytest.mark.parametrize("service", CLIENTS)
async def test_a_service_that_is_not_there_costs_nothing(service, sdks):
    manager = manager_for(service, f"http://127.0.0.1:{free_port()}")
    async with CLIENTS[service](manager.services[service].config.base_url) as client:
        call, error = await guarded(manager, service, client)
    assert error is not None
    assert type(call.error) is ServiceConnectionError
    assert manager.services[service].report().value("budget.spent") == 0


@pytest.mark.parametrize("service", CLIENTS)
@pytest.mark.parametrize(
    ("fault", "kind", "patience"),
    [(Fault.RESET, ServiceConnectionError, 30.0), (Fault.HANG, ServiceTimeoutError, 2.0)],
)
async def test_a_request_that_was_sent_and_not_answered_is_debited_in_full(
    service, fault, kind, patience, sdks
):
    async with Simulator() as simulator:
        simulator.fault(service, fault)
        url = simulator.base_url(service)
        manager = manager_for(service, url)
        async with CLIENTS[service](url, timeout=patience) as client:
            call, _ = await guarded(manager, service, client)
        assert type(call.error) is kind
        report = manager.services[service].report()
        assert report.value("budget.spent") > 0
        assert report.breaker.failures == 1
        assert len(simulator.completions(service)) == 1


@pytest.mark.parametrize(("service", "name"), INSIDE)
async def test_every_error_inside_a_stream_means_what_it_means_when_koo_asks(service, name, sdks):
    """Of money and keys too, which a 200 can hide."""
    async with Simulator() as simulator:
        url = simulator.base_url(service, name)
        own, others = manager_for(service, url), manager_for(service, url)
        with pytest.raises(ExternalServiceError) as caught:
            assert [text async for text in own.stream(service, "Why is the sky blue?")]
        async with CLIENTS[service](url) as client:
            call, error = await guarded(others, service, client, send_stream)
        await own.close()
    assert not isinstance(error, ExternalServiceError)
    assert seen(call.error, others, service)[:-1] == seen(caught.value, own, service)[:-1]
    assert others.services[service].report().value("budget.spent") > 0


@pytest.mark.parametrize("service", CLIENTS)
async def test_an_error_inside_a_stream_that_had_begun_is_the_services(service, sdks):
    async with Simulator() as simulator:
        simulator.fault(service, Fault.STREAM_ERROR)
        url = simulator.base_url(service)
        manager = manager_for(service, url)
        async with CLIENTS[service](url) as client:
            call, error = await guarded(manager, service, client, send_stream)
        assert error is not None
        assert call.error.trips, repr(call.error)
        assert manager.services[service].report().value("budget.spent") > 0


async def test_what_the_circuit_refuses_is_not_sent(sdks):
    async with Simulator() as simulator:
        url = simulator.base_url("claude", "spend-cap")
        manager = manager_for("claude", url)
        async with CLIENTS["claude"](url) as client:
            for _ in range(3):
                await guarded(manager, "claude", client)
            with pytest.raises(ServiceRejected, match="circuit open"):
                async with manager.permit("claude", estimate("claude")):
                    raise AssertionError("let in")
        assert len(simulator.completions("claude")) == 1
