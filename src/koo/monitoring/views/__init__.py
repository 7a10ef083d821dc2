"""Everything that is shown, as frozen records with exactly the documented names."""

from __future__ import annotations

from .circuit import CircuitBreakerView, LatencyView
from .database import (
    ConnectionsView,
    DatabaseHealth,
    DetailedStatus,
    HolderView,
    PoolMetrics,
    PoolStatus,
    RateView,
    database_health,
    detailed_status,
    pool_metrics,
)
from .glance import VerdictView, verdict
from .news import AlertCounts, AlertView, EventView, alert_views, count_alerts, event_views
from .overview import (
    Dashboard,
    DashboardDatabase,
    Past,
    PoolHistory,
    ServiceSummary,
    Summary,
    SystemHealth,
    dashboard,
    overall_health,
    service_healths,
    system_health,
)
from .service import (
    CostView,
    LastErrorView,
    RateLimitsView,
    ServiceHealth,
    ServiceMetrics,
    VendorLimitView,
    WindowView,
    service_health,
)
from .shape import dollars, moment, plain

__all__ = [
    "AlertCounts",
    "AlertView",
    "CircuitBreakerView",
    "ConnectionsView",
    "CostView",
    "Dashboard",
    "DashboardDatabase",
    "DatabaseHealth",
    "DetailedStatus",
    "EventView",
    "HolderView",
    "LastErrorView",
    "LatencyView",
    "Past",
    "PoolHistory",
    "PoolMetrics",
    "PoolStatus",
    "RateLimitsView",
    "RateView",
    "ServiceHealth",
    "ServiceMetrics",
    "ServiceSummary",
    "Summary",
    "SystemHealth",
    "VendorLimitView",
    "VerdictView",
    "WindowView",
    "alert_views",
    "count_alerts",
    "dashboard",
    "database_health",
    "detailed_status",
    "dollars",
    "event_views",
    "moment",
    "overall_health",
    "plain",
    "pool_metrics",
    "service_health",
    "service_healths",
    "system_health",
    "verdict",
]
