"""Services are found by name, checked in the background, and reset one at a time."""

import asyncio

import pytest

from koo.ai import NOTHING, AIManager, Prompt, ServiceConfig
from koo.errors import ApiKeyError, ExternalServiceError
from koo.testing import ScriptedProvider, VirtualTimeLoop, run, running_clock


def _manager(*services):
    return AIManager(services, clock=running_clock(), random=lambda: 0.5)


async def test_a_query_goes_to_the_service_of_that_name(serve):
    claude, gemini = ScriptedProvider(then="c"), ScriptedProvider(then="g")
    manager = _manager(serve(claude), serve(gemini, name="gemini"))
    assert await manager.query("gemini", Prompt("Why?", system="s", max_tokens=3)) == "g"
    assert claude.requests == []
    assert gemini.requests[0].question.max_tokens == 3


@pytest.mark.parametrize("name", ["grok", "", "x" * 99, "a\nb", None])
async def test_an_unknown_service_is_an_error_naming_the_known_ones(serve, name):
    manager = _manager(serve(ScriptedProvider(), name="openai"), serve(ScriptedProvider()))
    with pytest.raises(ExternalServiceError, match="no such service; known are: claude, openai$"):
        await manager.query(name, "Why?")


async def test_without_services_the_error_says_so():
    with pytest.raises(ExternalServiceError, match="^grok: .* known are: none$"):
        await AIManager(()).query("grok", "Why?")


async def test_a_reset_is_true_for_a_service_and_false_for_none(serve):
    refused = ApiKeyError("claude", "refused; correct it", usage=NOTHING)
    manager = _manager(serve(ScriptedProvider(refused, then="x")))
    with pytest.raises(ApiKeyError):
        await manager.query("claude", "Why?")
    assert manager.reset_service_errors("grok") is False
    assert manager.reset_service_errors("claude") is True
    assert await manager.query("claude", "Why?") == "x"


def test_a_manager_is_made_of_configurations_that_share_what_is_dear():
    configs = [ServiceConfig(name="claude", api_key="test-key"), ServiceConfig(name="gemini")]
    manager = AIManager.from_configs(configs)
    claude, gemini = manager.services["claude"], manager.services["gemini"]
    assert [service.config for service in (claude, gemini)] == configs
    assert claude._provider._sessions is gemini._provider._sessions
    assert claude._till._prices is gemini._till._prices


async def test_configured_services_are_checked_at_their_interval(serve):
    claude, gemini = ScriptedProvider(), ScriptedProvider()
    manager = _manager(
        serve(claude, check_interval=60.0), serve(gemini, name="gemini", api_key=None)
    )
    manager.start()
    manager.start()
    await asyncio.sleep(1)
    assert claude.checks_total == 1
    await asyncio.sleep(189)
    assert claude.checks_total == 4
    assert gemini.checks_total == 0
    await manager.close()
    await asyncio.sleep(600)
    assert claude.checks_total == 4
    assert claude.closed_total == gemini.closed_total == 1


def test_a_manager_survives_one_loop_after_another(serve):
    provider = ScriptedProvider(then="x")
    manager = AIManager(())

    async def once():
        nonlocal manager
        manager = manager if manager.services else _manager(serve(provider))
        manager.start()
        await asyncio.sleep(0)
        return await manager.query("claude", "Why?")

    assert run(once) == run(once) == "x"
    assert provider.checks_total == 1


def test_a_second_loop_has_checks_of_its_own_and_ends_only_those(serve):
    provider, made = ScriptedProvider(), []

    async def begin():
        made.append(_manager(serve(provider, check_interval=60.0)))
        made[0].start()
        await asyncio.sleep(1)

    async def beside():
        made[0].start()
        assert len(asyncio.all_tasks()) == 2
        await made[0].close()
        assert len(asyncio.all_tasks()) == 1

    async def go_on():
        made[0].start()
        await asyncio.sleep(90)
        seen = provider.checks_total
        await made[0].close()
        await asyncio.sleep(600)
        return seen, provider.checks_total

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as first:
        first.run(begin())
        run(beside)
        assert first.run(go_on()) == (2, 2)


def test_closing_on_another_loop_leaves_the_old_checks_alone(serve):
    made = []

    async def begin():
        made.append(_manager(serve(ScriptedProvider())))
        made[0].start()

    run(begin)
    run(made[0].close())


@pytest.mark.parametrize("name", [None, 3, ["claude"], {}])
async def test_what_is_no_name_is_an_unknown_service(name):
    manager = AIManager.from_configs([ServiceConfig(name="claude")])
    with pytest.raises(ExternalServiceError, match="no such service; known are: claude"):
        await manager.query(name, "Why?")
    assert manager.reset_service_errors(name) is False
