"""The bodies of the documented endpoints, around the views of koo.monitoring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..monitoring.views import (
    ActionView,
    AlertCounts,
    AlertView,
    DatabaseHealth,
    DetailedStatus,
    EventView,
    PoolMetrics,
    ServiceHealth,
    SilenceView,
    SpendView,
)

__all__ = [
    "AboutView",
    "AcknowledgedAnswer",
    "AlertsAnswer",
    "AuditAnswer",
    "CheckAnswer",
    "CircuitHalfOpenAnswer",
    "CircuitResetAnswer",
    "DatabaseAnswer",
    "ErrorsResetAnswer",
    "EventsAnswer",
    "PoolMetricsAnswer",
    "ServiceAnswer",
    "ServiceHalfOpenAnswer",
    "ServicesAnswer",
    "ServicesHealthAnswer",
    "SignInAnswer",
    "SilenceAnswer",
    "SilencesAnswer",
    "SpendAnswer",
    "TextAnswer",
    "UsageView",
]


@dataclass(frozen=True, slots=True)
class AlertsAnswer:
    """Everything worth knowing now."""

    alerts: tuple[AlertView, ...]
    alert_count: int
    counts: AlertCounts
    inhibited: tuple[AlertView, ...]
    silences: tuple[SilenceView, ...]
    timestamp: str


@dataclass(frozen=True, slots=True)
class DatabaseAnswer:
    """All that is known of the database."""

    database_monitoring: DetailedStatus
    timestamp: str


@dataclass(frozen=True, slots=True)
class PoolMetricsAnswer:
    """What the connection pool has counted."""

    pool_metrics: PoolMetrics
    timestamp: str


@dataclass(frozen=True, slots=True)
class CheckAnswer:
    """What the database answered when it was asked."""

    health_check_result: DatabaseHealth
    detailed_status: DetailedStatus
    timestamp: str


@dataclass(frozen=True, slots=True)
class CircuitResetAnswer:
    """What a reset of the database's circuit changed."""

    message: str
    previous_state: str
    new_state: str
    timestamp: str


@dataclass(frozen=True, slots=True)
class CircuitHalfOpenAnswer(CircuitResetAnswer):
    """What ending the open wait of the database's circuit changed, if it was open."""


@dataclass(frozen=True, slots=True)
class ServicesAnswer:
    """Every AI service."""

    ai_services_monitoring: Mapping[str, ServiceHealth]
    timestamp: str


@dataclass(frozen=True, slots=True)
class ServiceAnswer:
    """One AI service."""

    service_metrics: ServiceHealth
    timestamp: str


@dataclass(frozen=True, slots=True)
class ServicesHealthAnswer:
    """Every AI service, and the word for all of them."""

    overall_health: str
    services: Mapping[str, ServiceHealth]
    timestamp: str


@dataclass(frozen=True, slots=True)
class ErrorsResetAnswer:
    """What a reset of a service's errors changed."""

    success: bool
    service: str
    previous_state: str
    new_state: str
    timestamp: str


@dataclass(frozen=True, slots=True)
class EventsAnswer:
    """Some of what changed, oldest first, and the cursor to go on from."""

    events: tuple[EventView, ...]
    next: str
    gap: bool
    timestamp: str


@dataclass(frozen=True, slots=True)
class ServiceHalfOpenAnswer:
    """What ending the open wait of a service's circuit changed, if it was open."""

    success: bool
    service: str
    message: str
    previous_state: str
    new_state: str
    timestamp: str


@dataclass(frozen=True, slots=True)
class SilencesAnswer:
    """The silences in force."""

    silences: tuple[SilenceView, ...]
    timestamp: str


@dataclass(frozen=True, slots=True)
class SilenceAnswer:
    """A silence that has begun, or was lifted."""

    message: str
    silence: SilenceView
    timestamp: str


@dataclass(frozen=True, slots=True)
class AcknowledgedAnswer:
    """Who has seen an alert."""

    message: str
    alert: str
    actor: str
    timestamp: str


@dataclass(frozen=True, slots=True)
class AuditAnswer:
    """A page of what people did; *before* of the next page, null after the last."""

    actions: tuple[ActionView, ...]
    next_before: int | None
    timestamp: str


@dataclass(frozen=True, slots=True)
class SpendAnswer:
    """What was spent, by day, service and model, the latest day first."""

    currency: str
    spend: tuple[SpendView, ...]
    timestamp: str


@dataclass(frozen=True, slots=True)
class UsageView:
    """What an answer used, and what it costs; *is_cost_told*: by the vendor's own word."""

    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    is_cost_told: bool


@dataclass(frozen=True, slots=True)
class TextAnswer:
    """What an AI service has answered; null as usage: the vendor did not say."""

    text: str
    service: str
    usage: UsageView | None
    timestamp: str


@dataclass(frozen=True, slots=True)
class AboutView:
    """What the page may know before anybody signs in."""

    title: str
    version: str
    has_runbooks: bool


@dataclass(frozen=True, slots=True)
class SignInAnswer:
    """Who the visitor is: null as scope means nobody."""

    scope: str | None
    signed_in: bool
    about: AboutView
