"""Every environment variable of the application: its type, its default, its meaning.

The names in the environment are those of the fields in capitals. What a field says of
itself is what `docs/configuration.md` prints. Reading them is the business of `core.config`.
"""

from __future__ import annotations

from datetime import UTC, tzinfo
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = [
    "ROOT",
    "VAR",
    "AIVariables",
    "ApplicationVariables",
    "DatabaseVariables",
    "ServiceVariables",
    "Variables",
    "zone_of",
]

ROOT: Final = Path(__file__).resolve().parents[3]
VAR: Final = ROOT / "var"

_DEAREST_DAY: Final = 10**9
_LONGEST_IDLE: Final = 2_147_483  # PostgreSQL's largest integer, in milliseconds
_NEVER: Final = -1


def _check_age(seconds: float) -> float:
    if not (seconds >= 1 or seconds == _NEVER):
        raise ValueError("must be at least 1, or -1 for never")
    return seconds


def _check_zone(name: str) -> str:
    zone_of(name)
    return name


def zone_of(name: str) -> tzinfo:
    """The zone of that name; ValueError if there is none."""
    if name.upper() == "UTC":
        return UTC  # Known without a database of zones, which small images lack.
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, ZoneInfoNotFoundError):
        raise ValueError("must be the name of a zone, like Europe/Berlin") from None


AtLeastOne: TypeAlias = Annotated[int, Field(ge=1)]
ZeroOrMore: TypeAlias = Annotated[int, Field(ge=0)]
Seconds: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Age: TypeAlias = Annotated[float, Field(allow_inf_nan=False), AfterValidator(_check_age)]
Idle: TypeAlias = Annotated[float, Field(ge=0.001, le=_LONGEST_IDLE, allow_inf_nan=False)]
Delay: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Factor: TypeAlias = Annotated[float, Field(ge=1, allow_inf_nan=False)]
Dollars: TypeAlias = Annotated[Decimal, Field(ge=0, le=_DEAREST_DAY, allow_inf_nan=False)]
Switch: TypeAlias = Literal["on", "off"]
Zone: TypeAlias = Annotated[str, AfterValidator(_check_zone)]


class Variables(BaseSettings):
    """Variables of the environment; an empty one is an unset one."""

    model_config = SettingsConfigDict(
        env_file=ROOT / ".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        str_strip_whitespace=True,
        use_attribute_docstrings=True,
    )


class DatabaseVariables(Variables):
    """The database."""

    database_url: SecretStr | None = None
    """SQLAlchemy URL; `postgres://` and `postgresql://` mean asyncpg. Unset: SQLite, var/koo.db."""
    database_replicas: SecretStr | None = None
    """URL of the PostgreSQL standbys for read-only sessions; several hosts, with commas."""
    database_replica_staleness: Seconds = 5
    """Seconds that a standby may be behind; one that is further behind is not read."""
    database_pool_size: AtLeastOne = 10
    """Connections kept open."""
    database_max_overflow: ZeroOrMore = 20
    """Connections that may be opened beyond them, and are closed on return."""
    database_pool_timeout: Seconds = 30
    """Seconds to wait for a free connection."""
    database_pool_recycle: Age = 3600
    """Seconds after which a connection is replaced; -1: never."""
    db_circuit_breaker_failure_threshold: AtLeastOne = 5
    """Failures that open the circuit."""
    db_circuit_breaker_recovery_timeout: Seconds = 60
    """Seconds until the first probe of an open circuit."""
    db_circuit_breaker_success_threshold: AtLeastOne = 2
    """Successful probes that close the circuit."""
    db_max_retries: ZeroOrMore = 3
    """Attempts beyond the first of a `transactional_with_retry`."""
    db_retry_base_delay: Seconds = 1.0
    """Seconds before the first retry, at most."""
    db_retry_max_delay: Seconds = 30.0
    """Seconds before any retry, at most; not below the base delay."""
    db_retry_backoff_multiplier: Factor = 2.0
    """By how much the delay grows with each retry."""
    db_health_check_interval: Seconds = 30
    """Seconds between health checks in the background."""
    health_check_timeout: Seconds = 5
    """Seconds that a health check, a ping or a new connection may take; AI services too."""
    db_timeout: Seconds = 60
    """Seconds for a whole `transactional_with_retry`, and for each statement of a session."""
    db_attempt_timeout: Seconds = 30
    """Seconds for one attempt of a `transactional_with_retry`, from when it has its connection."""
    db_idle_in_transaction_timeout: Idle = 60
    """Seconds after which PostgreSQL or MariaDB ends a transaction in which nothing happens."""
    db_retry_budget: Switch = "on"
    """Whether retries must be earned by successes: on or off."""
    db_commit_tokens: Literal["auto", "off"] = "auto"
    """Whether a lost COMMIT is found out, by a token in a table `koo`: auto or off."""


class AIVariables(Variables):
    """All AI services, unless one has a variable of its own."""

    anthropic_api_key: SecretStr | None = None
    """The key of claude; several, separated by commas, take turns. Without one: not configured."""
    openai_api_key: SecretStr | None = None
    """The key of openai."""
    gemini_api_key: SecretStr | None = None
    """The key of gemini."""
    perplexity_api_key: SecretStr | None = None
    """The key of perplexity."""
    ai_services: str = ""
    """Names of further OpenAI-compatible services, comma separated, like `groq,local`."""
    ai_circuit_breaker_failure_threshold: AtLeastOne = 5
    """Failures that open the circuit of a service."""
    ai_circuit_breaker_recovery_timeout: Seconds = 60
    """Seconds until the first probe of an open circuit."""
    ai_circuit_breaker_success_threshold: AtLeastOne = 2
    """Successful probes that close the circuit."""
    ai_max_retries: ZeroOrMore = 3
    """Attempts beyond the first of a `query_ai`."""
    ai_retry_base_delay: Seconds = 1.0
    """Seconds before the first retry, at most."""
    ai_retry_max_delay: Seconds = 30.0
    """Seconds before any retry, at most; not below the base delay."""
    ai_retry_backoff_multiplier: Factor = 2.0
    """By how much the delay grows with each retry."""
    ai_default_requests_per_minute: AtLeastOne = 60
    """Requests in any minute, for each service."""
    ai_default_requests_per_hour: AtLeastOne = 1000
    """Requests in any hour, for each service."""
    ai_default_requests_per_day: AtLeastOne = 10000
    """Requests in any day, for each service."""
    ai_default_tokens_per_minute: AtLeastOne | None = None
    """Tokens in any minute, for each service. Unset: no limit but the vendor's."""
    ai_default_max_concurrent: AtLeastOne | None = None
    """Calls in flight, for each service; the others wait. Unset: no limit."""
    ai_default_daily_budget: Dollars = Decimal("10.0")
    """USD that each service may cost in a day of AI_BUDGET_ZONE."""
    ai_budget_zone: Zone = "UTC"
    """Where the day of the budgets begins, like `Europe/Berlin`."""
    ai_health_check_interval: Seconds = 60
    """Seconds between health checks of a service, at least."""
    ai_default_timeout: Seconds = 60
    """Seconds for a whole `query_ai`: waiting, attempts and backoff."""
    ai_default_patience: Seconds | None = None
    """Seconds that a call may wait to be admitted. Unset: what is left of its timeout."""
    ai_default_max_tokens: AtLeastOne = 1024
    """Tokens that an answer may have."""
    ai_attempt_timeout: Seconds = 30
    """Seconds for one attempt of a `query_ai`, for the first text of a `stream_ai` and each gap."""
    ai_retry_budget: Switch = "on"
    """Whether retries must be earned by successes: on or off."""
    ai_proxy: SecretStr | None = None
    """The proxy to all services, like `http://name:password@proxy.example.com:3128`."""
    ai_ca_bundle: str = ""
    """A PEM file of the authorities to trust instead of the system's."""


class ServiceVariables(Variables):
    """One AI service, as `AI_<SERVICE>_...`; for those of AI_SERVICES too."""

    api_key: SecretStr | None = None
    """The key, or several, for services of AI_SERVICES."""
    base_url: str = ""
    """The address, as the official SDK takes it. Unset: the vendor's."""
    model: str = ""
    """The model that answers when a call names none."""
    requests_per_minute: AtLeastOne | None = None
    """Unset: AI_DEFAULT_REQUESTS_PER_MINUTE."""
    requests_per_hour: AtLeastOne | None = None
    """Unset: AI_DEFAULT_REQUESTS_PER_HOUR."""
    requests_per_day: AtLeastOne | None = None
    """Unset: AI_DEFAULT_REQUESTS_PER_DAY."""
    tokens_per_minute: AtLeastOne | None = None
    """Unset: AI_DEFAULT_TOKENS_PER_MINUTE."""
    max_concurrent: AtLeastOne | None = None
    """Unset: AI_DEFAULT_MAX_CONCURRENT."""
    daily_budget: Dollars | None = None
    """Unset: AI_DEFAULT_DAILY_BUDGET."""
    timeout: Seconds | None = None
    """Unset: AI_DEFAULT_TIMEOUT."""
    price: str = ""
    """USD per million tokens as `input,output`: of the service's model, and of unknown ones."""
    proxy: SecretStr | None = None
    """Unset: AI_PROXY; `direct`: none."""
    ca_bundle: str = ""
    """Unset: AI_CA_BUNDLE."""
    cache_ttl: Seconds | None = None
    """Seconds for which an answer serves equal requests again. Unset: never."""


class ApplicationVariables(Variables):
    """The application."""

    state_url: str = "sqlite:///var/state.db"
    """Where limits and budgets are remembered: a file of this machine, or `memory:`."""
    koo_read_token: SecretStr | None = None
    """Who sends it may look; the new and the old one with a comma, or as `sha256:` and digest."""
    koo_operate_token: SecretStr | None = None
    """Who sends it may look and act. Unset on a loopback address: made at the start."""
    koo_call_token: SecretStr | None = None
    """Who sends it may call AI services, and nothing else."""
    koo_notify_urls: SecretStr | None = None
    """Who is told of alerts: webhooks, `alertmanager+http://`, Apprise's URLs; spaces between."""
    koo_allowed_hosts: str = "localhost,127.0.0.1,[::1]"
    """Host names that requests may ask for, beside those of this machine."""
    koo_ready_gates: str = ""
    """Components that `/readyz` waits for, like `database,ai:claude`. Unset: none."""
    koo_log_format: Literal["text", "json"] = "text"
    """The lines of the log: text for people, json for machines."""
    shutdown_delay: Delay = 0
    """Seconds that `/readyz` says 503 before the server closes its sockets, when it is to end."""
    shutdown_grace: Seconds = 10
    """Seconds that requests in flight get when the application ends."""
