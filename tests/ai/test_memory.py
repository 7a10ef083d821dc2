"""A service on a store of its own: what it spent is known after a restart, or nothing is spent."""

import asyncio

import pytest

from koo.ai import AIManager, Completion, Prompt, ServiceConfig, Usage
from koo.errors import ServiceRejected, StoreUnavailable
from koo.resilience import Health
from koo.stores import SQLiteStore
from koo.testing import After, ScriptedProvider, running_clock

ANSWER = Completion("x", "m", "stop", Usage(10, 7))
COST = 24 * 10**6


@pytest.fixture
def open_store(tmp_path):
    stores = []

    def open_store():
        stores.append(SQLiteStore(tmp_path / "state.db", clock=running_clock()))
        return stores[-1]

    yield open_store
    for store in stores:
        store.close()


async def test_spend_and_windows_survive_a_restart(serve, own_price, open_store):
    for calls in (1, 2):
        store = open_store()
        service = serve(ScriptedProvider(then=ANSWER), **own_price, store=store)
        await service.query(Prompt("ten bytes.", max_tokens=10))
        report = service.report()
        assert report.value("budget.spent") == calls * COST
        for window in ("minute", "hour", "day"):
            assert report.value("limit.used", window=window) == calls
        store.close()


async def test_a_call_is_two_transactions(serve, own_price, open_store):
    """One before it is sent, one after its answer, though limits and money are both corrected."""
    store = open_store()
    provider = ScriptedProvider(then=ANSWER)
    service = serve(provider, **own_price, store=store, tokens_per_minute=1000)
    await service.query(Prompt("a", max_tokens=10))
    statements = []
    store._file._connection.set_trace_callback(statements.append)
    await service.query(Prompt("a", max_tokens=10))
    assert statements.count("COMMIT") == 2
    assert service.report().value("limit.used", window="tokens_minute") == 2 * 17


async def test_who_finds_the_house_full_costs_no_transaction(serve, own_price, open_store):
    store = open_store()
    provider = ScriptedProvider(After(10, ANSWER))
    service = serve(provider, **own_price, store=store, max_concurrent=1, patience=0.001)
    first = asyncio.create_task(service.query(Prompt("a", max_tokens=10)))
    while not provider.requests:
        await asyncio.sleep(0)
    statements = []
    store._file._connection.set_trace_callback(statements.append)
    with pytest.raises(ServiceRejected):
        await service.query(Prompt("b", max_tokens=10))
    assert statements == []
    await first


async def test_a_store_that_cant_be_had_refuses_before_anything_is_sent(
    serve, own_price, open_store, tmp_path
):
    (tmp_path / "state.db").write_text("this is no state file")
    provider = ScriptedProvider(then=ANSWER)
    service = serve(provider, **own_price, store=open_store())
    with pytest.raises(ServiceRejected, match=r"store unavailable \(state\.db is") as caught:
        await service.query(Prompt("a", max_tokens=1))
    assert isinstance(caught.value.__cause__, StoreUnavailable)
    assert provider.requests == []
    report = service.report()
    assert report.state is Health.RATE_LIMITED
    assert "state.db" in report.cause
    assert report.value("errors_total", kind="store_unavailable") == 1


async def test_a_manager_gives_its_store_to_all_services(open_store, tmp_path):
    configs = [ServiceConfig(name=name, api_key="test-key") for name in ("claude", "openai")]
    manager = AIManager.from_configs(configs, store=open_store(), clock=running_clock())
    for service in manager.services.values():
        assert service.report().state is Health.HEALTHY
    assert (tmp_path / "state.db").exists()
