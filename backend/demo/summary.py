"""What a run came to, in a few lines."""

from __future__ import annotations

from collections.abc import Iterator

from api.monitoring import monitor
from core.database import db_manager
from services.hybrid_ai_manager import hybrid_ai_manager

__all__ = ["print_summary"]


def print_summary() -> None:
    """Print what the database and each service did, and which alerts there are."""
    print("\nsummary")
    for line in (*_database(), *_services(), *_alerts()):
        print(f"  {line}")


def _database() -> Iterator[str]:
    metrics = db_manager.get_pool_metrics()
    state = db_manager.circuit_breaker_state.value
    times, pool = metrics["response_times"], metrics["pool_status"]
    yield (
        f"{'database':<12}{state:<14}{metrics['checkouts']['total']} checkouts,"
        f" {pool['total_connections']} connections, p95 {times['p95_ms'] or 0:.1f} ms,"
        f" errors {metrics['errors'] or 'none'}"
    )


def _services() -> Iterator[str]:
    for name, health in hybrid_ai_manager.get_all_services_status().items():
        calls, cost = health["metrics"], health["cost"]
        yield (
            f"{name:<12}{health['state']:<14}{calls['successful_requests']} of"
            f" {calls['total_requests']} calls answered, {calls['retries_total']} retries,"
            f" {cost['spent_today']} of {cost['daily_budget']} USD"
        )


def _alerts() -> Iterator[str]:
    for alert in monitor.alerts():
        yield f"{alert.severity.value:<12}{alert.message}"
