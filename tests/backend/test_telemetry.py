"""OpenTelemetry is told of the real pool whatever its conventions have a name for."""

import pytest
from opentelemetry.semconv._incubating.metrics import db_metrics
from sqlalchemy import text

from core.database import db_manager
from koo.monitoring import Monitor
from koo.monitoring.otel import Conventions, metrics_data

pytestmark = pytest.mark.integration  # SQLite is asked in a thread

NAMES = {
    db_metrics.DB_CLIENT_CONNECTION_COUNT,
    db_metrics.DB_CLIENT_CONNECTION_MAX,
    db_metrics.DB_CLIENT_CONNECTION_IDLE_MAX,
    db_metrics.DB_CLIENT_CONNECTION_PENDING_REQUESTS,
    db_metrics.DB_CLIENT_CONNECTION_TIMEOUTS,
    db_metrics.DB_CLIENT_CONNECTION_CREATE_TIME,
    db_metrics.DB_CLIENT_CONNECTION_WAIT_TIME,
    db_metrics.DB_CLIENT_CONNECTION_USE_TIME,
}


async def test_one_transaction_is_told_under_all_names_of_the_pool():
    async with db_manager.session_scope() as session:
        await session.execute(text("SELECT 1"))
    families = Monitor([db_manager]).metrics()
    data = metrics_data(families, span=(0.0, 1.0), conventions=Conventions.SEMCONV_0_66)
    [resource] = data.resource_metrics
    [scope] = resource.scope_metrics
    told = {metric.name: metric.data.data_points for metric in scope.metrics}
    assert {name for name in told if name.startswith("db.client.connection.")} == NAMES
    for name in NAMES:
        assert told[name], name
        if name.endswith("_time"):
            [point] = told[name]
            assert point.count >= 1, name
