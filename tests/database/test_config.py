import re

import pytest

from koo.database import DatabaseConfig
from koo.resilience import RetryConfig

INF, NAN = float("inf"), float("nan")
IDLE = "idle_in_transaction_timeout must be 0.001 to 2147483 seconds, or inf for never"


def config(url="sqlite:////tmp/app.db", **changes):
    return DatabaseConfig(url=url, **changes)


@pytest.mark.parametrize(
    ("given", "complete"),
    [
        ("postgres://u@h/d", "postgresql+asyncpg://u@h/d"),
        ("postgresql://u@h:5433/d", "postgresql+asyncpg://u@h:5433/d"),
        ("postgresql+asyncpg://u@h/d", "postgresql+asyncpg://u@h/d"),
        ("postgresql+psycopg://u@h/d", "postgresql+psycopg://u@h/d"),
        ("sqlite:////var/app.db", "sqlite+aiosqlite:////var/app.db"),
        ("sqlite://", "sqlite+aiosqlite://"),
        ("mysql://u@h/d", "mysql+asyncmy://u@h/d"),
        ("mariadb://u@h/d", "mariadb+asyncmy://u@h/d"),
        ("postgres://u@h/d?sslmode=require", "postgresql+asyncpg://u@h/d?sslmode=require"),
        ("postgres://u@h/d?ssl=require", "postgresql+asyncpg://u@h/d?sslmode=require"),
        ("postgresql+psycopg://u@h/d?ssl=require", "postgresql+psycopg://u@h/d?sslmode=require"),
        (
            "postgresql+psycopg://u@h/d?sslmode=require",
            "postgresql+psycopg://u@h/d?sslmode=require",
        ),
    ],
)
def test_a_url_is_completed_with_the_driver_we_know_best(given, complete):
    assert config(given).url == complete


@pytest.mark.parametrize(
    "url", ["", "nonsense", "postgresql", "postgresql://u@h:port/d", "://u@h/d"]
)
def test_a_malformed_url_is_refused_with_the_shape_it_should_have(url):
    with pytest.raises(ValueError, match=r"^DatabaseConfig: url .*dialect://user"):
        config(url)


@pytest.mark.parametrize("dialect", ["oracle", "postgresql+psycopg2", "mysql+pymysql", "http"])
def test_a_dialect_we_do_not_know_is_refused_and_the_known_ones_are_named(dialect):
    with pytest.raises(ValueError, match="use postgresql, postgresql.psycopg, sqlite, mysql"):
        config(f"{dialect}://u@h/d")


def test_a_missing_driver_is_named_with_its_cure(monkeypatch):
    monkeypatch.setattr("koo.database.config.find_spec", lambda _: None)
    with pytest.raises(ValueError, match=r"needs the driver asyncmy.*'koo-platform\[mysql\]'"):
        config("mysql://u@h/d")


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("sslmode=on", "url has an sslmode that is none; use disable, .*, verify-full$"),
        ("ssl=true", "url has an sslmode that is none"),
        (
            "channel_binding=require",
            "asyncpg does not take, channel_binding; .* the driver psycopg$",
        ),
        ("sslrootcert=ca.pem&sslsni=0", "asyncpg does not take, sslsni;"),
    ],
)
def test_what_asyncpg_would_stumble_over_is_refused(query, sentence):
    with pytest.raises(ValueError, match=f"^DatabaseConfig: .*{sentence}"):
        config(f"postgres://u@h/d?{query}")


def test_a_file_that_a_mysql_url_names_must_be_there(tmp_path):
    with pytest.raises(ValueError, match="names an ssl_ca that is no file"):
        config("mysql://u@h/d?ssl_ca=nowhere")
    (tmp_path / "ca.pem").touch()
    assert config(f"mysql://u@h/d?ssl_ca={tmp_path}/ca.pem").location.query


def test_what_is_no_encryption_is_left_to_the_driver():
    query = {"target_session_attrs": "read-write", "prepared_statement_cache_size": "0"}
    asked = "&".join(map("=".join, query.items()))
    assert config(f"postgres://u@h/d?{asked}").location.query == query
    libpq = "postgresql+psycopg://u@h/d?channel_binding=require&sslrootcert=system"
    assert config(libpq).url == libpq


@pytest.mark.parametrize("port", [0, 65536, 99999])
def test_a_port_that_is_none_is_refused(port):
    with pytest.raises(ValueError, match=r"^DatabaseConfig: url has a port .*use 1 to 65535$"):
        config(f"postgres://u@h:{port}/d")
    assert config("postgres://u@h:65535/d").location.port == 65535


@pytest.mark.parametrize("url", ["oracle://u:open-sesame@h/d", "postgres://u:open-sesame@h:x/d"])
def test_neither_errors_nor_the_printed_form_show_the_password(url):
    with pytest.raises(ValueError) as caught:
        config(url)
    assert "sesame" not in f"{caught.value!r} {caught.value.__context__!r}"
    good = config("postgres://u:open-sesame@h/d")
    assert "sesame" not in f"{good!r} {good.location}"


def test_a_password_with_every_awkward_character_survives():
    awkward = "p%40ss%3Aw%2Frd%25"
    assert config(f"postgres://u:{awkward}@h/d").location.password == "p@ss:w/rd%"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"pool_size": 0}, "pool_size must be at least 1"),
        ({"max_overflow": -1}, "max_overflow can't be negative; use 0 for none"),
        ({"max_waiting": -1}, "max_waiting can't be negative; use 0 for none"),
        ({"commit_tokens": "on"}, "commit_tokens must be auto or off"),
        (
            {"url": "mysql://u@h/d?autocommit=true"},
            "url sets autocommit, and nothing would be undone; leave it out",
        ),
        ({"leak_after": 0}, "leak_after must be above 0 seconds"),
        ({"reclaim_after": 0}, "reclaim_after must be above 0 seconds"),
        ({"pool_timeout": 0}, "pool_timeout must be above 0 seconds"),
        ({"timeout": -1}, "timeout must be above 0 seconds"),
        ({"attempt_timeout": 0}, "attempt_timeout must be above 0 seconds"),
        ({"check_timeout": 0}, "check_timeout must be above 0 seconds"),
        ({"check_interval": 0}, "check_interval must be above 0 seconds"),
        ({"check_interval": NAN}, "check_interval must be a finite number of seconds, not nan"),
        ({"pool_recycle": 0}, "pool_recycle must be at least 1 second, or -1 for never"),
        ({"pool_recycle": 1e-7}, "pool_recycle must be at least 1 second, or -1 for never"),
        ({"pool_recycle": NAN}, "pool_recycle must be a finite number of seconds, not nan"),
        ({"timeout": INF}, "timeout must be a finite number of seconds, not inf"),
        ({"timeout": None}, "timeout must be a finite number of seconds, not None"),
        ({"timeout": True}, "timeout must be a finite number of seconds, not True"),
        ({"pool_timeout": "30"}, "pool_timeout must be a finite number of seconds, not '30'"),
        (
            {"reclaim_after": NAN},
            "reclaim_after must be a finite number of seconds, not nan; use inf for never",
        ),
        ({"idle_in_transaction_timeout": 0.0004}, IDLE),
        ({"idle_in_transaction_timeout": 3e6}, IDLE),
        ({"pool_size": 2.5}, "pool_size must be a whole number, not 2.5"),
        ({"pool_size": "10"}, "pool_size must be a whole number, not '10'"),
        ({"pool_size": True}, "pool_size must be a whole number, not True"),
        ({"pool_size": NAN}, "pool_size must be a whole number, not nan"),
        ({"max_waiting": INF}, "max_waiting must be a whole number, not inf"),
        (
            {"retry": None},
            "retry must be a RetryConfig; leave it out for the usual one",
        ),
        (
            {"breaker": 5},
            "breaker must be a BreakerConfig; leave it out for the usual one",
        ),
        ({"retry_budget": 0.1}, "retry_budget must be a RetryBudget, or None for none"),
        ({"credentials": "me"}, "credentials must be an async function; leave it out for none"),
        ({"commit_tokens": []}, "commit_tokens must be auto or off"),
        ({"url": None}, "url must be a string; write dialect://user:password@host:port/name"),
        (
            {"replicas": None},
            "replicas must be a string; write dialect://user:password@host:port/name",
        ),
    ],
)
def test_what_can_never_work_is_refused_by_name(changes, sentence):
    with pytest.raises(ValueError, match=f"^DatabaseConfig: {re.escape(sentence)}$"):
        config(**changes)


@pytest.mark.parametrize("name", ["leak_after", "reclaim_after", "idle_in_transaction_timeout"])
def test_what_need_not_happen_may_take_for_ever(name):
    assert getattr(config(**{name: INF}), name) == INF


@pytest.mark.parametrize("seconds", [0.001, 2_147_483])
def test_a_transaction_may_be_idle_as_long_as_the_server_can_count(seconds):
    assert config(idle_in_transaction_timeout=seconds).idle_in_transaction_timeout == seconds


def test_connections_may_live_for_ever():
    assert config(pool_recycle=-1).pool_recycle == -1


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true"]
)
def test_a_database_in_memory_has_one_connection(url):
    assert (config(url).is_memory, config(url).kept, config(url).overflow) == (True, 1, 0)


@pytest.mark.parametrize("url", ["sqlite:////var/app.db", "postgres://u@h/d"])
def test_any_other_has_as_many_as_configured(url):
    assert (config(url).is_memory, config(url).kept, config(url).overflow) == (False, 10, 20)


@pytest.mark.parametrize("name", ["timeout", "pool_timeout", "leak_after"])
def test_a_number_that_no_float_can_hold_is_no_time(name):
    with pytest.raises(ValueError, match=f"DatabaseConfig: {name} must be a finite number"):
        config(**{name: 10**400})


def test_a_timeout_that_leaves_no_time_for_a_retry_is_refused_at_once():
    with pytest.raises(ValueError, match="timeout is mostly shorter than the first backoff"):
        config(timeout=0.5)
    config(timeout=0.5, retry=RetryConfig(max_retries=0))
