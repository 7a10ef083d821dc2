"""Ten thousand looks and a hundred checks at once: what they ask, and what they buy."""

from __future__ import annotations

import asyncio
import tempfile
import time
from itertools import cycle, islice

from lab.figures import Figure, Section

from koo.ai import PriceTable
from koo.database import DatabaseConfig, DatabaseManager
from koo.monitoring import Journal
from koo.resilience import Event, HealthChecked

from .services import Silent, application, service, visit

__all__ = ["looking"]

_GETS = 10_000
_POSTS = 100
_CHECK = "/api/v1/monitoring/database/health-check"
_PATHS = (
    "/api/v1/monitoring/health",
    "/api/v1/monitoring/dashboard",
    "/api/v1/monitoring/alerts",
    "/api/v1/monitoring/database/pool-metrics",
    "/api/v1/ai/services/health",
    "/metrics",
    "/livez",
)


async def looking() -> Section:
    checks: list[Event] = []
    provider = Silent()
    asked = service("lab", provider, PriceTable())
    with tempfile.TemporaryDirectory() as folder:
        config = DatabaseConfig(url=f"sqlite+aiosqlite:///{folder}/koo.db")
        database = DatabaseManager(config, on_event=checks.append)
        app, console = application([database, asked], Journal())
        began = time.monotonic()
        for path in islice(cycle(_PATHS), _GETS):
            await visit(app, "GET", path)
        looked = time.monotonic() - began
        after_looks = len(checks)
        posts = (visit(app, "POST", _CHECK, console.access.operate_token) for _ in range(_POSTS))
        statuses = [status for status, _ in await asyncio.gather(*posts)]
        await asyncio.gather(*(asked.check() for _ in range(_POSTS)))
        await database.close()
    probes = sum(isinstance(event, HealthChecked) for event in checks)
    figures = [
        Figure(f"probes of the database by {_GETS:,} GETs", after_looks, "", "= 0"),
        Figure(f"probes of the database by {_POSTS} POSTs at once", probes, "", "<= 1"),
        Figure("of these POSTs answered with 200", statuses.count(200), "", f"= {_POSTS}"),
        Figure(f"lists of models asked for by {_POSTS} checks", provider.checks_total, "", "<= 1"),
        Figure("completions bought", provider.sent_total, "", "= 0"),
        Figure("a GET, on average", looked / _GETS * 1000, "ms"),
    ]
    method = "An application with a database and a service, visited in its own process."
    return Section("Looking and checking", method, figures)
