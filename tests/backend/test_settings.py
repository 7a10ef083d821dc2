"""What the application runs with: the documented variables, read without surprises."""

import json
import re
from datetime import UTC
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from core.config import ROOT, Settings, SettingsError, isolate, read_settings
from core.settings import DOCUMENTED, Fingerprint, ServiceVariables, Variables
from koo.ai import CacheConfig
from koo.monitoring import RULES

from . import configuration_page

CONTRACT = json.loads((ROOT / "tests/contract.json").read_text())
LISTED = CONTRACT["settings_documented"] | CONTRACT["settings_more"]
COMMON = {name: told for name, told in LISTED.items() if "<SERVICE>" not in name}
PER_SERVICE = {name.removeprefix("AI_<SERVICE>_").lower() for name in set(LISTED) - set(COMMON)}


def shown(value):
    """A default as the contract writes it."""
    return float(value) if isinstance(value, Decimal) else value


@pytest.mark.parametrize("name", COMMON)
def test_a_variable_of_the_contract_has_its_default(name):
    assert shown(Settings.model_fields[name.lower()].default) == COMMON[name]["default"]


def test_there_is_no_variable_beside_those_of_the_contract():
    assert {name.upper() for name in Settings.model_fields} == set(COMMON)
    assert set(ServiceVariables.model_fields) == PER_SERVICE


def test_every_variable_says_what_it_means():
    fields = {**Settings.model_fields, **ServiceVariables.model_fields}
    assert not [name for name, info in fields.items() if not info.description]


def test_the_example_file_is_that_of_the_settings():
    """To write it anew: `.venv/bin/python tests/backend/configuration_page.py`."""
    assert configuration_page.EXAMPLE.read_text() == configuration_page.example()


def test_the_tables_of_the_documentation_are_those_of_the_settings():
    """To write them anew: `.venv/bin/python tests/backend/configuration_page.py`."""
    text = configuration_page.PAGE.read_text()
    assert text == configuration_page.page(text)
    documented = set(re.findall(r"^\| `([^`]+)`", text, re.MULTILINE))
    assert documented == set(LISTED)


def test_the_example_file_as_it_is_means_the_defaults(variables, monkeypatch):
    default = read_settings()
    monkeypatch.setitem(Settings.model_config, "env_file", configuration_page.EXAMPLE)
    monkeypatch.setitem(ServiceVariables.model_config, "env_file", configuration_page.EXAMPLE)
    assert read_settings().texts() == default.texts()


def test_the_environment_wins_over_the_file(variables, monkeypatch, tmp_path):
    file = tmp_path / ".env"
    file.write_text("DB_MAX_RETRIES=7\nAI_MAX_RETRIES=8\n")
    monkeypatch.setitem(Settings.model_config, "env_file", file)
    variables(AI_MAX_RETRIES="9")
    settings = read_settings()
    assert (settings.db_max_retries, settings.ai_max_retries) == (7, 9)


def test_the_file_is_that_of_the_repository():
    assert Variables.model_config["env_file"] == ROOT / ".env"


def test_an_unreadable_file_is_a_sentence(variables, monkeypatch, tmp_path):
    file = tmp_path / ".env"
    file.write_bytes(b"DB_MAX_RETRIES=\xff\xfe")
    monkeypatch.setitem(Settings.model_config, "env_file", file)
    with pytest.raises(SettingsError, match=r"^\.env can't be read"):
        read_settings()


def test_an_empty_variable_is_an_unset_one(variables):
    variables(DB_MAX_RETRIES="", AI_CLAUDE_TIMEOUT="", KOO_OPERATE_TOKEN="")
    settings = read_settings()
    assert settings.db_max_retries == 3
    assert settings.services[0].timeout == 60
    assert settings.operate_token is None


def test_isolated_settings_are_those_given_alone(variables, monkeypatch, tmp_path):
    file = tmp_path / ".env"
    file.write_text("DB_MAX_RETRIES=7\n")
    for kind in (Settings, ServiceVariables):
        monkeypatch.setitem(kind.model_config, "env_file", file)
    variables(AI_SERVICES="groq", ANTHROPIC_API_KEY="test-key", SHUTDOWN_GRACE="3")
    monkeypatch.setenv("AI_MAX_RETRIES", "0")
    isolate({"AI_MAX_RETRIES": "2"})
    settings = read_settings()
    assert (settings.db_max_retries, settings.ai_max_retries) == (3, 2)
    assert (settings.ai_services, settings.shutdown_grace) == ("", 10)
    assert not settings.services[0].is_configured


# -- the state ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("", f"sqlite:///{ROOT / 'var/state.db'}"),
        ("sqlite:///state/limits.db", f"sqlite:///{ROOT / 'state/limits.db'}"),
        ("sqlite:////tmp/limits.db", "sqlite:////tmp/limits.db"),
        ("memory:", "memory:"),
    ],
)
def test_a_relative_state_file_belongs_to_the_repository(variables, url, location):
    variables(STATE_URL=url)
    assert read_settings().state_location == location


@pytest.mark.parametrize(
    ("text", "gates"),
    [("", ()), ("database", ("database",)), (" ai:claude , database,", ("ai:claude", "database"))],
)
def test_readiness_waits_for_what_is_named(variables, text, gates):
    variables(KOO_READY_GATES=text, ANTHROPIC_API_KEY="test-key")
    assert read_settings().ready_gates == gates


# -- the alert rules ------------------------------------------------------------------------


def test_without_a_file_of_rules_those_of_koo_are_in_force(variables):
    assert read_settings().alert_rules == RULES


def test_a_file_of_rules_is_read_and_tried_by_the_one_in_the_documentation(monkeypatch):
    monkeypatch.setattr("core.config._ALERTS", ROOT / "docs/alerts.toml")
    names = {f"{rule.kind}:{rule.name}" for rule in read_settings().alert_rules}
    assert "database:queue" in names
    assert "ai:budget-forecast" not in names


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\xff", r"^alerts\.toml can't be read \(UnicodeDecodeError\); correct it$"),
        (b"rules = 1", r"^alerts\.toml: file: there is no field rules; did you mean rule\?$"),
    ],
)
def test_a_wrong_file_of_rules_is_a_sentence(monkeypatch, tmp_path, content, sentence):
    file = tmp_path / "alerts.toml"
    file.write_bytes(content)
    monkeypatch.setattr("core.config._ALERTS", file)
    with pytest.raises(SettingsError, match=sentence):
        read_settings()


# -- the database ---------------------------------------------------------------------------


def test_without_a_url_the_database_is_a_file_of_the_repository(variables):
    database = read_settings().database
    assert database.location.get_backend_name() == "sqlite"
    assert database.location.database == str(ROOT / "var/koo.db")


def test_a_relative_file_belongs_to_the_repository(variables):
    variables(DATABASE_URL="sqlite:///data/shop.db")
    assert read_settings().database.location.database == str(ROOT / "data/shop.db")


@pytest.mark.parametrize("url", ["sqlite:////tmp/shop.db", "sqlite://", "sqlite:///:memory:"])
def test_what_is_not_relative_stays_as_it_is(variables, url):
    variables(DATABASE_URL=url)
    assert read_settings().database.location.database in {"/tmp/shop.db", None, ":memory:"}


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_postgres_means_asyncpg(variables, scheme):
    variables(DATABASE_URL=f"{scheme}://koo@localhost/koo")
    assert read_settings().database.location.drivername == "postgresql+asyncpg"


def test_the_database_is_told_every_number_and_what_is_off(variables):
    variables(
        DATABASE_POOL_SIZE="3",
        DATABASE_POOL_RECYCLE="-1",
        DB_CIRCUIT_BREAKER_FAILURE_THRESHOLD="7",
        DB_RETRY_BASE_DELAY="0.5",
        DB_RETRY_BUDGET="off",
        DB_COMMIT_TOKENS="off",
        HEALTH_CHECK_TIMEOUT="2.5",
    )
    database = read_settings().database
    assert (database.pool_size, database.pool_recycle) == (3, -1)
    assert database.breaker.failure_threshold == 7
    assert database.retry.backoff.base_delay == 0.5
    assert (database.retry_budget, database.commit_tokens) == (None, "off")
    assert database.check_timeout == 2.5


def test_what_is_shown_of_the_database_has_no_secret(variables):
    variables(DATABASE_URL="postgresql://ann:hush@db:5433/shop?password=hush&ssl=require")
    settings = read_settings()
    assert settings.shown()["DATABASE_URL"] == "postgresql+asyncpg://db:5433/shop"
    assert "hush" not in f"{settings!r} {settings.database!r}"
    assert settings.shown()["DATABASE_REPLICAS"] is None
    assert settings.shown().keys() >= {
        name for name in CONTRACT["settings_documented"] if not name.startswith("AI_")
    }


# -- the services ---------------------------------------------------------------------------


def test_the_documented_services_are_always_there_and_have_no_key(variables):
    services = read_settings().services
    assert tuple(service.name for service in services) == tuple(DOCUMENTED)
    assert not any(service.is_configured for service in services)


@pytest.mark.parametrize(
    ("service", "variable"),
    [
        ("claude", "ANTHROPIC_API_KEY"),
        ("openai", "OPENAI_API_KEY"),
        ("gemini", "GEMINI_API_KEY"),
        ("perplexity", "PERPLEXITY_API_KEY"),
    ],
)
def test_a_key_configures_its_service_alone(variables, service, variable):
    variables(**{variable: "test-key"})
    configured = [one for one in read_settings().services if one.is_configured]
    assert [(one.name, one.key_variable) for one in configured] == [(service, variable)]


def test_a_service_has_the_defaults_but_for_its_own_variables(variables):
    variables(
        AI_DEFAULT_REQUESTS_PER_MINUTE="30",
        AI_DEFAULT_TOKENS_PER_MINUTE="9000",
        AI_DEFAULT_DAILY_BUDGET="2.5",
        AI_OPENAI_TOKENS_PER_MINUTE="7000",
        AI_OPENAI_MAX_CONCURRENT="8",
        AI_OPENAI_REQUESTS_PER_MINUTE="5",
        AI_OPENAI_DAILY_BUDGET="0",
        AI_OPENAI_TIMEOUT="7.5",
        AI_OPENAI_MODEL="gpt-5-mini",
        AI_OPENAI_BASE_URL="http://127.0.0.1:9/v1",
        AI_OPENAI_PRICE="1,2",
        AI_OPENAI_CACHE_TTL="3600",
    )
    claude, openai, *_ = read_settings().services
    assert (claude.requests_per_minute, claude.daily_budget_nanousd) == (30, 2_500_000_000)
    assert (openai.requests_per_minute, openai.daily_budget_nanousd) == (5, 0)
    assert (claude.tokens_per_minute, claude.max_concurrent) == (9000, None)
    assert (openai.tokens_per_minute, openai.max_concurrent) == (7000, 8)
    assert (openai.timeout, openai.model) == (7.5, "gpt-5-mini")
    assert openai.base_url == "http://127.0.0.1:9/v1"
    assert openai.price.output_usd == 2
    assert (claude.cache, openai.cache) == (None, CacheConfig(3600.0))


@pytest.mark.parametrize(
    ("name", "zone"), [("", UTC), ("utc", UTC), ("Europe/Berlin", ZoneInfo("Europe/Berlin"))]
)
def test_the_day_of_every_budget_is_one_of_the_zone(variables, name, zone):
    variables(AI_BUDGET_ZONE=name)
    assert {service.budget_zone for service in read_settings().services} == {zone}


def test_a_proxy_is_for_all_services_but_those_that_have_their_own_or_none(variables):
    variables(
        AI_PROXY="http://me:secret@proxy:3128",
        AI_OPENAI_PROXY="http://other:3128",
        AI_GEMINI_PROXY="direct",
    )
    claude, openai, gemini, *_ = read_settings().services
    assert claude.proxy == "http://me:secret@proxy:3128"
    assert (openai.proxy, gemini.proxy) == ("http://other:3128", "")


def test_a_bundle_is_for_all_services_and_lies_below_the_root(variables):
    bundle = "tests/backend/authority.pem"
    variables(AI_CA_BUNDLE=bundle)
    assert {one.ca_bundle for one in read_settings().services} == {str(ROOT / bundle)}
    variables(AI_CLAUDE_CA_BUNDLE=str(ROOT / bundle), AI_CA_BUNDLE="")
    claude, openai, *_ = read_settings().services
    assert (claude.ca_bundle, openai.ca_bundle) == (str(ROOT / bundle), "")


def test_a_further_service_changes_no_variable_that_nobody_set(variables):
    before = Fingerprint.of(read_settings().texts())
    given = {"AI_GROQ_MODEL": "llama", "AI_GROQ_BASE_URL": "https://groq.example/v1"}
    variables(AI_SERVICES="groq", **given)
    assert before.changed(read_settings().texts()) == tuple(sorted({"AI_SERVICES", *given}))


def test_database_and_services_do_not_get_each_others_numbers(variables):
    variables(
        DB_CIRCUIT_BREAKER_FAILURE_THRESHOLD="7",
        AI_CIRCUIT_BREAKER_FAILURE_THRESHOLD="9",
        DB_MAX_RETRIES="1",
        AI_MAX_RETRIES="2",
    )
    settings = read_settings()
    configs = (settings.database, settings.services[0])
    assert [config.breaker.failure_threshold for config in configs] == [7, 9]
    assert [config.retry.max_retries for config in configs] == [1, 2]


def test_further_services_come_by_name(variables):
    variables(
        AI_SERVICES="groq, my-llm",
        AI_GROQ_API_KEY="test-key",
        AI_GROQ_BASE_URL="https://groq.example/v1",
        AI_GROQ_MODEL="llama",
        AI_MY_LLM_BASE_URL="http://127.0.0.1:9/v1",
        AI_MY_LLM_MODEL="local",
    )
    *_, groq, local = read_settings().services
    assert (groq.name, groq.vendor, groq.is_configured) == ("groq", "compatible", True)
    assert (local.name, local.key_variable, local.is_configured) == (
        "my-llm",
        "AI_MY_LLM_API_KEY",
        False,
    )


def test_a_budget_is_exact(variables):
    variables(AI_DEFAULT_DAILY_BUDGET="0.1")
    assert read_settings().services[0].daily_budget_nanousd == 100_000_000


def test_several_hosts_and_replicas_are_shown_without_secrets(variables):
    variables(
        DATABASE_URL="postgresql://ann:hush@one:5433,two/shop?ssl=require",
        DATABASE_REPLICAS="postgresql://ann:hush@two,three/shop",
        DATABASE_REPLICA_STALENESS="2.5",
        DB_IDLE_IN_TRANSACTION_TIMEOUT="10",
    )
    settings = read_settings()
    shown = settings.shown()
    assert shown["DATABASE_URL"] == "postgresql+asyncpg:///shop?host=one%3A5433&host=two"
    assert shown["DATABASE_REPLICAS"] == "postgresql+asyncpg:///shop?host=two&host=three"
    assert "hush" not in f"{settings!r} {settings.database!r}"
    database = settings.database
    assert (database.replica_staleness, database.idle_in_transaction_timeout) == (2.5, 10)
    assert len(database.standbys) == 2
