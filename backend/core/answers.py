"""The dicts that the documented functions return, as types."""

from __future__ import annotations

from typing_extensions import TypedDict

__all__ = [
    "AlertCounts",
    "CircuitBreaker",
    "Configuration",
    "Connections",
    "Cost",
    "DatabaseHealth",
    "DetailedStatus",
    "Holder",
    "LastError",
    "Latency",
    "PoolMetrics",
    "PoolStatus",
    "Rate",
    "RateLimits",
    "ServiceHealth",
    "ServiceMetrics",
    "ServiceSummary",
    "ServicesHealth",
    "SystemHealth",
    "VendorLimit",
    "Window",
]

Configuration = dict[str, object]


class CircuitBreaker(TypedDict):
    """A circuit breaker: closed, open or half_open, since when and why."""

    state: str
    failures: int
    failure_threshold: int
    retry_after: float | None
    since: str | None
    cause: str | None
    outcomes: int
    mode: str
    rejected_total: int
    opened_total: int
    latest: list[bool]
    generation: str


class PoolStatus(TypedDict):
    """The connections of the pool now."""

    pool_size: int
    max_overflow: int
    max_connections: int
    total_connections: int
    active_connections: int
    idle_connections: int
    overflow_connections: int
    waiting: int
    oldest_checkout_s: float | None


class Rate(TypedDict):
    """A counter, and its speed over the last minute."""

    total: int
    per_second: float


class Connections(TypedDict):
    """What became of connections since the process began."""

    created_total: int
    closed_total: int
    invalidated_total: int
    recycled_total: int


class Latency(TypedDict):
    """How long something took."""

    count: int
    average_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class DatabaseHealth(TypedDict):
    """Whether the database can be used, and why not."""

    healthy: bool
    state: str
    circuit_breaker: CircuitBreaker
    pool_status: PoolStatus
    response_time_ms: float | None
    last_check: str | None
    age_s: float | None
    error: str | None
    timestamp: str


class PoolMetrics(TypedDict):
    """What the pool and the calls through it have counted."""

    healthy: bool
    pool_status: PoolStatus
    checkouts: Rate
    checkins: Rate
    connections: Connections
    timeouts_total: int
    response_times: Latency
    wait_times: Latency
    failure_rate: float | None
    errors: dict[str, int]
    circuit_breaker: CircuitBreaker
    timestamp: str


class Holder(TypedDict):
    """Who holds a connection."""

    task: str
    where: str
    age_s: float


class DetailedStatus(TypedDict):
    """All that is known of the database."""

    health: DatabaseHealth
    pool_metrics: PoolMetrics
    circuit_breaker: CircuitBreaker
    configuration: Configuration
    holders: list[Holder]
    timestamp: str


class LastError(TypedDict):
    """The last error of a service."""

    kind: str
    at: str


class ServiceMetrics(TypedDict):
    """What calls to a service came to."""

    total_requests: int
    successful_requests: int
    failed_requests: int
    success_rate: float | None
    average_response_time_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    first_token: Latency
    error_counts: dict[str, int]
    retries_total: int
    last_error: LastError | None
    last_success_at: str | None


class Window(TypedDict):
    """One window of a rate limit."""

    limit: int
    used: int
    remaining: int
    reset_in_s: float


class VendorLimit(TypedDict):
    """One limit of the vendor's own, as its last answer told it."""

    model: str
    key: int | None
    name: str
    limit: int | None
    remaining: int
    reset_in_s: float


class RateLimits(TypedDict):
    """How much of each window is used."""

    minute: Window
    hour: Window
    day: Window
    tokens_minute: Window | None
    throttled_until: str | None
    vendor: list[VendorLimit]
    calls_per_minute: float | None
    in_flight: int | None
    waiting: int


class Cost(TypedDict):
    """What a service costs today; money as decimal strings."""

    currency: str
    daily_budget: str
    spent_today: str
    reserved: str
    remaining: str
    per_request_last: str | None
    per_request_mean: str | None
    resets_at: str


class ServiceHealth(TypedDict):
    """Whether an AI service can be used, why not, what is left, and what it costs."""

    service: str
    configured: bool
    healthy: bool
    state: str
    circuit_breaker: CircuitBreaker
    metrics: ServiceMetrics
    rate_limits: RateLimits
    cost: Cost
    cause: str | None
    model: str | None
    key_variable: str | None
    timestamp: str


class ServiceSummary(TypedDict):
    """A service in one line."""

    state: str
    healthy: bool
    configured: bool


class ServicesHealth(TypedDict):
    """Every AI service, and one word for those that have a key."""

    overall_health: str
    services: dict[str, ServiceHealth]
    timestamp: str


class AlertCounts(TypedDict):
    """How many alerts of each severity."""

    critical: int
    warning: int
    info: int


class SystemHealth(TypedDict):
    """The health of everything."""

    overall_health: str
    database: DatabaseHealth
    ai_services: dict[str, ServiceSummary]
    alerts: AlertCounts
    timestamp: str
