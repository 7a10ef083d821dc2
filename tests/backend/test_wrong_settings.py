"""A wrong value is one clear sentence that names the variable and never the value."""

import pytest

from core.config import SettingsError, read_settings

COUNTS = [
    "DATABASE_POOL_SIZE",
    "DB_CIRCUIT_BREAKER_FAILURE_THRESHOLD",
    "DB_CIRCUIT_BREAKER_SUCCESS_THRESHOLD",
    "AI_CIRCUIT_BREAKER_FAILURE_THRESHOLD",
    "AI_CIRCUIT_BREAKER_SUCCESS_THRESHOLD",
    "AI_DEFAULT_REQUESTS_PER_MINUTE",
    "AI_DEFAULT_REQUESTS_PER_HOUR",
    "AI_DEFAULT_REQUESTS_PER_DAY",
    "AI_DEFAULT_MAX_TOKENS",
    "AI_CLAUDE_REQUESTS_PER_MINUTE",
    "AI_OPENAI_REQUESTS_PER_HOUR",
    "AI_GEMINI_REQUESTS_PER_DAY",
]
COUNTS_FROM_ZERO = ["DATABASE_MAX_OVERFLOW", "DB_MAX_RETRIES", "AI_MAX_RETRIES"]
SECONDS = [
    "DATABASE_POOL_TIMEOUT",
    "DB_CIRCUIT_BREAKER_RECOVERY_TIMEOUT",
    "DB_RETRY_BASE_DELAY",
    "DB_RETRY_MAX_DELAY",
    "DB_HEALTH_CHECK_INTERVAL",
    "HEALTH_CHECK_TIMEOUT",
    "DB_TIMEOUT",
    "DB_ATTEMPT_TIMEOUT",
    "DATABASE_REPLICA_STALENESS",
    "DB_IDLE_IN_TRANSACTION_TIMEOUT",
    "AI_CIRCUIT_BREAKER_RECOVERY_TIMEOUT",
    "AI_RETRY_BASE_DELAY",
    "AI_RETRY_MAX_DELAY",
    "AI_HEALTH_CHECK_INTERVAL",
    "AI_DEFAULT_TIMEOUT",
    "AI_DEFAULT_PATIENCE",
    "AI_ATTEMPT_TIMEOUT",
    "AI_PERPLEXITY_TIMEOUT",
    "SHUTDOWN_GRACE",
]
FACTORS = ["DB_RETRY_BACKOFF_MULTIPLIER", "AI_RETRY_BACKOFF_MULTIPLIER"]
DOLLARS = ["AI_DEFAULT_DAILY_BUDGET", "AI_CLAUDE_DAILY_BUDGET"]
SWITCHES = ["DB_RETRY_BUDGET", "AI_RETRY_BUDGET", "DB_COMMIT_TOKENS", "STATE_URL"]
WRONG = [
    *[(name, value) for name in COUNTS for value in ("0", "-1", "1.5", "many", "9" * 5000)],
    *[(name, value) for name in COUNTS_FROM_ZERO for value in ("-1", "0.5", "none")],
    *[(name, value) for name in SECONDS for value in ("0", "-1", "nan", "inf", "soon", "1e999")],
    *[(name, value) for name in FACTORS for value in ("0.9", "-2", "nan", "double")],
    *[(name, value) for name in DOLLARS for value in ("-0.01", "NaN", "Infinity", "$10", "1e30")],
    *[(name, value) for name in SWITCHES for value in ("yes", "ON!", "1")],
    *[("SHUTDOWN_DELAY", value) for value in ("-0.1", "nan", "inf", "soon")],
    *[("DATABASE_POOL_RECYCLE", value) for value in ("0", "-2", "0.9", "never", "nan")],
    *[("DB_IDLE_IN_TRANSACTION_TIMEOUT", value) for value in ("0.0004", "3e6")],
    *[
        ("DATABASE_URL", value)
        for value in (
            "x",
            "oracle://db",
            "http://db",
            "postgresql+none://d",
            "postgres://h:65536/d",
        )
    ],
    *[("DATABASE_REPLICAS", value) for value in ("x", "mysql://u@h/d", "sqlite:///file.db")],
    *[("STATE_URL", value) for value in ("redis://h", "sqlite://state.db", "var/state.db")],
    *[("AI_SERVICES", value) for value in ("Groq", "a b", "groq,groq", "claude", "1x", "a-b,a_b")],
    *[("AI_SERVICES", value) for value in ("default", "attempt")],
    *[("KOO_ALLOWED_HOSTS", value) for value in ("*", "*.example.com", "host:8000", "a b", ",")],
    *[("KOO_READY_GATES", value) for value in ("Database", "postgres", "ai:claude", "database;x")],
    *[(name, "two words") for name in ("KOO_READ_TOKEN", "KOO_CALL_TOKEN")],
    *[("AI_CLAUDE_BASE_URL", value) for value in ("koo.test", "ftp://x", "http://")],
    *[("AI_CLAUDE_PRICE", value) for value in ("1", "1,2,3", "cheap", "-1,1", "nan,1")],
    *[(f"AI_{of}PROXY", value) for of in ("", "CLAUDE_") for value in ("socks5://x", "x:3128")],
    *[(f"AI_{of}CA_BUNDLE", "/nowhere.pem") for of in ("", "CLAUDE_")],
    *[("AI_BUDGET_ZONE", value) for value in ("Nowhere/Town", "../etc/passwd", "/etc", "+02:00")],
    ("ANTHROPIC_API_KEY", "half a key"),
    ("OPENAI_API_KEY", "clé"),
]
LEAST_TELLING = 4


def sentence():
    with pytest.raises(SettingsError) as caught:
        read_settings()
    return str(caught.value)


@pytest.mark.parametrize(("name", "value"), WRONG, ids=lambda text: text[:20])
def test_a_wrong_value_is_refused_by_name(variables, name, value):
    variables(**{name: value})
    said = sentence()
    assert name in said
    assert said.count("\n") == 0
    assert "; " in said
    if len(value) >= LEAST_TELLING and value.lower() not in {"default", "attempt", "claude"}:
        assert value not in said


@pytest.mark.parametrize("room", ["DB", "AI"])
def test_the_longest_delay_is_not_below_the_shortest(variables, room):
    variables(**{f"{room}_RETRY_BASE_DELAY": "2", f"{room}_RETRY_MAX_DELAY": "1"})
    assert sentence().startswith(f"{room}_RETRY_MAX_DELAY must be at least {room}_RETRY_BASE_DELAY")


@pytest.mark.parametrize(("room", "name"), [("DB", "DB_TIMEOUT"), ("AI", "AI_DEFAULT_TIMEOUT")])
def test_a_timeout_leaves_room_for_a_retry(variables, room, name):
    variables(**{f"{room}_RETRY_BASE_DELAY": "1", name: "0.4"})
    assert sentence().startswith(f"{name} must be above half of {room}_RETRY_BASE_DELAY")
    variables(**{f"{room}_MAX_RETRIES": "0"})
    read_settings()


@pytest.mark.parametrize("other", ["KOO_OPERATE_TOKEN", "KOO_CALL_TOKEN"])
def test_one_token_has_one_role(variables, other):
    variables(KOO_READ_TOKEN="test-key", **{other: "test-key"})
    said = sentence()
    assert "KOO_READ_TOKEN" in said
    assert other in said
    assert "test-key" not in said


@pytest.mark.parametrize("suffix", ["MODEL", "BASE_URL"])
def test_a_further_service_must_say_where_and_what_it_is(variables, suffix):
    given = {"AI_GROQ_MODEL": "llama", "AI_GROQ_BASE_URL": "https://groq.example/v1"}
    given.pop(f"AI_GROQ_{suffix}")
    variables(AI_SERVICES="groq", **given)
    assert f"AI_GROQ_{suffix}" in sentence()


def test_what_could_never_be_ready_is_refused_with_what_could(variables):
    variables(KOO_READY_GATES="database,ai:openai", ANTHROPIC_API_KEY="test-key")
    assert sentence() == (
        "KOO_READY_GATES names what is not there, or has no key; "
        "it may list, separated by commas: database, ai:claude"
    )


def test_a_password_is_not_repeated(variables):
    variables(DATABASE_URL="oracle://ann:hush@db/shop")
    assert "hush" not in sentence()
