"""An AI service as the documentation shows it: health, metrics, rate limits, cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ...resilience import Health, LastError, Report
from ..naming import is_configured, service_name
from .circuit import HEALTH_NAMES, CircuitBreakerView, LatencyView, circuit_view, latency_view
from .database import error_counts
from .shape import dollars, instant, moment, told

__all__ = [
    "CostView",
    "LastErrorView",
    "RateLimitsView",
    "ServiceHealth",
    "ServiceMetrics",
    "VendorLimitView",
    "WindowView",
    "service_health",
]


@dataclass(frozen=True, slots=True)
class LastErrorView:
    """The last error of a service."""

    kind: str = told("Its kind, as in error_counts.")
    at: str = told("When it happened.")


@dataclass(frozen=True, slots=True)
class ServiceMetrics:
    """What calls to a service came to."""

    total_requests: int = told("Calls since the process began.")
    successful_requests: int = told("Calls that were answered.")
    failed_requests: int = told("Calls that were not.")
    success_rate: float | None = told("Share of calls answered, last five minutes.")
    average_response_time_ms: float | None = told("Mean time of an answer.")
    p50_ms: float | None = told("Half of the answers were not slower.")
    p95_ms: float | None = told("95 of 100 were not slower.")
    p99_ms: float | None = told("99 of 100 were not slower.")
    first_token: LatencyView = told("How long streamed answers took to begin.")
    error_counts: Mapping[str, int] = told("Errors by kind, since the last reset.")
    retries_total: int = told("Attempts beyond the first.")
    last_error: LastErrorView | None = told("The last error, null before any.")
    last_success_at: str | None = told("The last answer, null before any.")


@dataclass(frozen=True, slots=True)
class WindowView:
    """One window of a rate limit."""

    limit: int = told("Requests (or tokens) allowed in any such window.")
    used: int = told("Those in the window now.")
    remaining: int = told("Those that would pass now.")
    reset_in_s: float = told("Seconds until something is given back; 0 when nothing is used.")


@dataclass(frozen=True, slots=True)
class VendorLimitView:
    """One limit of the vendor's own, as its last answer told it."""

    model: str = told("The model it is for.")
    key: int | None = told("The number of the key it is for; null if there is one key.")
    name: str = told("What it is of.")
    limit: int | None = told("How much it is; null if the vendor does not say.")
    remaining: int = told("What is left.")
    reset_in_s: float = told("Seconds until all of it is back.")


@dataclass(frozen=True, slots=True)
class RateLimitsView:
    """How much of each window is used. A service without a window has null there."""

    minute: WindowView | None = told("The rolling minute.")
    hour: WindowView | None = told("The rolling hour.")
    day: WindowView | None = told("The rolling day.")
    tokens_minute: WindowView | None = told("The tokens of the rolling minute.")
    throttled_until: str | None = told("The service asked for silence until then.")
    vendor: tuple[VendorLimitView, ...] = told("The vendor's own limits, as far as it tells.")
    calls_per_minute: float | None = told("The pace that refusals taught; null: as they come.")
    in_flight: int | None = told("Calls in flight; null where they are not limited.")
    waiting: int = told("Calls in line.")


@dataclass(frozen=True, slots=True)
class CostView:
    """What a service costs today."""

    currency: str = told("Always USD.")
    daily_budget: str = told("What it may cost today.")
    spent_today: str = told("What it has cost today.")
    reserved: str = told("What calls in flight may cost at most.")
    remaining: str = told("What is left for new calls.")
    per_request_last: str | None = told("What the last call cost.")
    per_request_mean: str | None = told("What a call costs on average.")
    resets_at: str | None = told("When the next day begins.")


@dataclass(frozen=True, slots=True)
class ServiceHealth:
    """Whether a service can be used, why not, what is left, and what it costs."""

    service: str = told("Its name.")
    configured: bool = told("Whether it has a key.")
    healthy: bool = told("True exactly in state healthy.")
    state: str = told("The documented state.", one_of=HEALTH_NAMES)
    circuit_breaker: CircuitBreakerView = told("The circuit breaker before it.")
    metrics: ServiceMetrics = told("What calls came to.")
    rate_limits: RateLimitsView = told("What its rate limits leave.")
    cost: CostView | None = told("What it costs today; null without a budget.")
    cause: str | None = told("Why it is not healthy, one sentence.")
    model: str | None = told("The model that answers.")
    key_variable: str | None = told("The variable that holds its key.")
    timestamp: str = told("When this was looked at.")


def service_health(report: Report, now: float) -> ServiceHealth:
    """The health of a service at epoch second *now*."""
    return ServiceHealth(
        service=service_name(report.component),
        configured=is_configured(report),
        healthy=report.state is Health.HEALTHY,
        state=report.state.value,
        circuit_breaker=circuit_view(report.breaker),
        metrics=_metrics(report),
        rate_limits=_rate_limits(report),
        cost=_cost(report),
        cause=None if report.state is Health.HEALTHY else report.cause,
        model=_text(report, "model"),
        key_variable=_text(report, "key_variable"),
        timestamp=moment(now),
    )


def _metrics(report: Report) -> ServiceMetrics:
    latency = latency_view(report.distribution("response_time"))
    return ServiceMetrics(
        total_requests=int(report.value("requests_total") or 0),
        successful_requests=int(report.value("successes_total") or 0),
        failed_requests=int(report.value("failures_total") or 0),
        success_rate=report.value("success_rate"),
        average_response_time_ms=latency.average_ms,
        p50_ms=latency.p50_ms,
        p95_ms=latency.p95_ms,
        p99_ms=latency.p99_ms,
        first_token=latency_view(report.distribution("first_token_time")),
        error_counts=error_counts(report),
        retries_total=int(report.value("retries_total") or 0),
        last_error=_last_error(report),
        last_success_at=instant(report.value("last_success_at")),
    )


def _last_error(report: Report) -> LastErrorView | None:
    error = report.details.get("last_error")
    return LastErrorView(error.kind, moment(error.at)) if isinstance(error, LastError) else None


def _rate_limits(report: Report) -> RateLimitsView:
    return RateLimitsView(
        minute=_window(report, "minute"),
        hour=_window(report, "hour"),
        day=_window(report, "day"),
        tokens_minute=_window(report, "tokens_minute"),
        throttled_until=instant(report.value("throttled_until")),
        vendor=tuple(_vendor_limits(report)),
        calls_per_minute=report.value("pace.per_minute"),
        in_flight=_whole(report.value("calls.in_flight")),
        waiting=int(report.value("calls.waiting") or 0),
    )


def _vendor_limits(report: Report) -> Iterator[VendorLimitView]:
    for reading in report.readings:
        if reading.name == "told.remaining":
            labels = dict(reading.labels)
            yield VendorLimitView(
                model=labels["model"],
                key=int(labels["key"]) if "key" in labels else None,
                name=labels["window"],
                limit=_whole(reading.limit),
                remaining=int(reading.value),
                reset_in_s=round(report.value("told.reset_after", **labels) or 0.0, 3),
            )


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _window(report: Report, window: str) -> WindowView | None:
    used = report.reading("limit.used", window=window)
    if used is None or used.limit is None:
        return None
    left = report.value("limit.remaining", window=window)
    return WindowView(
        limit=int(used.limit),
        used=int(used.value),
        remaining=int(used.limit - used.value if left is None else left),
        reset_in_s=round(report.value("limit.reset_after", window=window) or 0.0, 3),
    )


def _cost(report: Report) -> CostView | None:
    spent = report.reading("budget.spent")
    if spent is None or spent.limit is None:
        return None
    return CostView(
        currency="USD",
        daily_budget=dollars(spent.limit),
        spent_today=dollars(spent.value),
        reserved=dollars(report.value("budget.reserved") or 0),
        remaining=dollars(report.value("budget.remaining") or 0),
        per_request_last=_price(report, "cost.last"),
        per_request_mean=_price(report, "cost.mean"),
        resets_at=instant(report.value("budget.resets_at")),
    )


def _price(report: Report, name: str) -> str | None:
    value = report.value(name)
    return None if value is None else dollars(value)


def _text(report: Report, name: str) -> str | None:
    value = report.details.get(name)
    return None if value is None else str(value)
