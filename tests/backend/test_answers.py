"""The documented functions return plain dicts, exactly as the contract and the types say."""

import asyncio
import inspect
import json
import re
import typing
from dataclasses import asdict
from decimal import Decimal

import pytest
from pydantic import ConfigDict, TypeAdapter, with_config
from sqlalchemy import text

from api.ai import get_ai_services_health
from api.monitoring import get_system_health
from core import answers
from core.ai_error_handling import ai_error_handler
from core.config import ROOT
from core.database import check_database_health, db_manager, transactional_with_retry
from koo.ai import Image, Message, Prompt, Tool
from koo.resilience import Health
from services.hybrid_ai_manager import (
    ExternalServiceError,
    get_ai_service_health,
    hybrid_ai_manager,
    query_ai,
    reset_ai_service_errors,
    stream_ai,
)

CONTRACT = json.loads((ROOT / "tests/contract.json").read_text())
FUNCTIONS = {
    "core.database.check_database_health() async": check_database_health,
    "core.database.db_manager.health_check() async": db_manager.health_check,
    "core.database.db_manager.get_pool_metrics()": db_manager.get_pool_metrics,
    "core.database.db_manager.get_detailed_status() async": db_manager.get_detailed_status,
    "services.hybrid_ai_manager.get_ai_service_health(service)": (
        lambda: get_ai_service_health("claude")
    ),
    "api.monitoring.get_system_health() async": get_system_health,
}
SAME_AS = {"core.database.db_manager.health_check() async": next(iter(FUNCTIONS))}
TYPES = {
    "core.database.check_database_health() async": answers.DatabaseHealth,
    "core.database.db_manager.health_check() async": answers.DatabaseHealth,
    "core.database.db_manager.get_pool_metrics()": answers.PoolMetrics,
    "core.database.db_manager.get_detailed_status() async": answers.DetailedStatus,
    "services.hybrid_ai_manager.get_ai_service_health(service)": answers.ServiceHealth,
    "api.monitoring.get_system_health() async": answers.SystemHealth,
}
pytestmark = pytest.mark.integration  # a SQLite file is asked in a thread


async def answer_of(function):
    given = function()
    return await given if hasattr(given, "__await__") else given


def misfits(given, wanted, path="answer"):
    """Where *given* lacks what the contract wants, or has it in another form."""
    if isinstance(wanted, dict):
        if not isinstance(given, dict):
            return [f"{path} is {given!r}"]
        missing = [f"{path}.{key} is missing" for key in wanted if key not in given]
        present = [key for key in wanted if key in given]
        return missing + [
            it for key in present for it in misfits(given[key], wanted[key], f"{path}.{key}")
        ]
    return [] if fits(given, wanted) else [f"{path} is {given!r}, not {wanted}"]


#: What a value must be if the contract's words begin like this.
FORMS = {
    r"bool": lambda it: isinstance(it, bool),
    r"int": lambda it: isinstance(it, int) and it >= 0,
    r"float|seconds": lambda it: isinstance(it, int | float) and it >= 0,
    r"0\.\.1": lambda it: 0 <= it <= 1,
    r"ISO": lambda it: bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", it)),
    r"decimal string": lambda it: bool(re.fullmatch(r"\d+\.\d\d+", it)),
    r"\{|as (in )?(get|check)": lambda it: isinstance(it, dict),
    r"\[": lambda it: isinstance(it, list),
    r"str|USD|healthy|closed": lambda it: isinstance(it, str),
}


def fits(given, wanted):
    """Whether a value is what the words of the contract say: `int`, `ISO|null`, `0..1|null` ..."""
    if given is None:
        return "null" in wanted
    [form] = [form for form in FORMS if re.match(form, wanted)]
    is_choice = re.fullmatch(r"\w+(\|\w+)+", wanted) and "null" not in wanted
    return FORMS[form](given) and (not is_choice or given in wanted.split("|"))


def test_the_words_of_the_contract_can_be_broken():
    wanted = {"a": "str", "b": "int", "c": "healthy|closed"}
    assert len(misfits({"a": 1, "b": None, "c": "x"}, wanted)) == 3
    assert misfits({}, {"a": "int"}) == ["answer.a is missing"]


@pytest.mark.parametrize("name", FUNCTIONS)
async def test_an_answer_is_what_the_contract_says(name):
    wanted = CONTRACT["functions"][SAME_AS.get(name, name)]
    assert misfits(await answer_of(FUNCTIONS[name]), wanted) == []


@pytest.mark.parametrize("name", FUNCTIONS)
async def test_an_answer_is_plain(name):
    given = await answer_of(FUNCTIONS[name])
    assert json.loads(json.dumps(given)) == given


@pytest.mark.parametrize("name", FUNCTIONS)
async def test_an_answer_is_exactly_of_its_type(name):
    given = await answer_of(FUNCTIONS[name])
    TypeAdapter(_closed(TYPES[name])).validate_python(given, strict=True)


def _closed(kind):
    """A typed dict, and all within it, without room for a key that it does not name."""
    for inner in vars(answers).values():
        if typing.is_typeddict(inner) or hasattr(inner, "__total__"):
            with_config(ConfigDict(extra="forbid"))(inner)
    return kind


async def test_all_services_are_each_as_one():
    one = get_ai_service_health("claude")
    for everything in (
        ai_error_handler.get_all_services_status(),
        hybrid_ai_manager.get_all_services_status(),
        (await get_ai_services_health())["services"],
    ):
        assert set(everything) == {"claude", "openai", "gemini", "perplexity"}
        assert everything["claude"].keys() == one.keys()


def test_the_state_of_the_circuit_is_a_documented_word():
    assert db_manager.circuit_breaker_state is Health.HEALTHY
    assert db_manager.circuit_breaker_state == "healthy"


def test_a_service_without_a_key_is_there_and_says_which_variable():
    health = get_ai_service_health("openai")
    assert (health["configured"], health["healthy"]) == (False, False)
    assert health["cause"] == "no API key; set OPENAI_API_KEY"


async def test_services_without_a_key_make_nothing_worse():
    health = await get_system_health()
    assert health["overall_health"] == "healthy"
    assert (await get_ai_services_health())["overall_health"] == "healthy"
    assert health["alerts"] == {"critical": 0, "warning": 0, "info": health["alerts"]["info"]}


async def test_an_unknown_service_is_an_error_that_names_the_known_ones():
    for ask in (
        lambda: query_ai("nobody", "hello"),
        lambda: answer_of(lambda: get_ai_service_health("nobody")),
    ):
        with pytest.raises(ExternalServiceError, match="claude, gemini, openai, perplexity"):
            await ask()
    assert reset_ai_service_errors("nobody") is False


async def test_looking_asks_nobody():
    before = db_manager.get_pool_metrics()["checkouts"]["total"]
    await get_system_health()
    await db_manager.get_detailed_status()
    assert db_manager.get_pool_metrics()["checkouts"]["total"] == before


async def test_the_detailed_status_has_the_variables_without_secrets():
    status = await db_manager.get_detailed_status()
    assert status["configuration"]["DB_MAX_RETRIES"] == 3
    assert status["configuration"]["DATABASE_URL"].startswith("sqlite+aiosqlite:///")


async def test_a_function_with_retry_takes_the_options_of_a_scope():
    @transactional_with_retry(readonly=True)
    async def is_readonly(session):
        return (await session.execute(text("PRAGMA query_only"))).scalar_one()

    assert await is_readonly() == 1
    with pytest.raises(ValueError, match="no transaction to be read-only"):
        transactional_with_retry(isolation_level="AUTOCOMMIT", readonly=True)


def test_query_ai_and_stream_ai_take_what_the_contract_names():
    [documented] = [name for name in CONTRACT["functions"] if ".query_ai(" in name]
    named = re.findall(r"\w+", documented.partition("(")[2].partition(")")[0])
    for function in (query_ai, stream_ai):
        parameters = inspect.signature(function).parameters
        assert set(named) <= parameters.keys()
        assert list(parameters)[:2] == ["service", "prompt"]


@pytest.mark.parametrize(("name", "asking"), [("query", query_ai), ("stream", stream_ai)])
async def test_each_argument_arrives_under_its_own_name(monkeypatch, name, asking):
    told, tool = {}, Tool("get_time", "What time it is.")

    def taken(service, prompt, **more):
        told.update(more, service=service, **asdict(prompt))
        return asyncio.sleep(0)

    monkeypatch.setattr(hybrid_ai_manager, name, taken)
    asked = {
        "system": "s",
        "model": "m",
        "max_tokens": 7,
        "temperature": 0.5,
        "max_cost": Decimal("0.1"),
        "tools": [asdict(tool)],
        "tool_choice": "required",
        "schema": {"type": "object"},
    }
    times = {"timeout": 3.0}
    if asking is stream_ai:
        times |= {"first_token_timeout": 2.0, "idle_timeout": 1.0}
    given = asked | {"tools": [tool]}
    await asking("claude", "Why?", fallback=["openai"], **given, **times)
    assert {field: told[field] for field in asked} == asked
    assert (told["service"], told["messages"], told["fallback"]) == ("claude", "Why?", ["openai"])
    assert (told.get("times") or (told.get("timeout"),)) == tuple(times.values())


@pytest.mark.parametrize("asking", [query_ai, stream_ai])
async def test_a_prompt_may_be_a_conversation(monkeypatch, asking):
    told = []

    def taken(service, prompt, **more):
        told.append(prompt)
        return asyncio.sleep(0)

    for name in ("query", "stream"):
        monkeypatch.setattr(hybrid_ai_manager, name, taken)
    talk = [Message.user("Is this Bern?", Image("https://example.com/cat.png"))]
    await asking("claude", talk)
    assert told == [Prompt(talk)]
