"""Everything of this room in one piece, to be put into a FastAPI application.

    console = Console(monitor, Access(AccessConfig(host)))
    app = FastAPI(docs_url=None, redoc_url=None, lifespan=...console.running()...)
    console.install(app)

Outermost first: request id, security headers, host list, body limit, routes behind doors.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, FastAPI
from pydantic import TypeAdapter

from ..monitoring import Monitor, Records
from ..monitoring.views import Dashboard
from ..resilience import SYSTEM_CLOCK, Clock, Listener, Tracer, ignore
from .access import Access
from .answers import AboutView
from .desk import Desk
from .doors import POSTS_PER_MINUTE, Doors
from .feed import Feed
from .guards import LOOPBACK_HOSTS, BodyLimit, HostGuard, RequestIds, SecurityHeaders
from .lifecycle import Lifecycle
from .problems import handle_problems
from .routes import (
    BODY_LIMITS,
    call_router,
    event_router,
    load_page,
    metrics_router,
    monitoring_router,
    page_router,
    probe_router,
    record_router,
    runbook_router,
    service_router,
    sign_in_router,
    spend_router,
)

if TYPE_CHECKING:
    from ..ai import AIManager

__all__ = ["Console", "ConsoleConfig"]

_DASHBOARD: Final = TypeAdapter(Dashboard)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleConfig:
    """How the surface behaves.

    *hosts* extends the loopback names that a request may ask for; *gates* are the
    components without which ``/readyz`` answers 503; *title* and *version* are
    what the page calls the application; *runbooks* is the Markdown text that the
    alerts' runbooks are sections of.
    """

    hosts: tuple[str, ...] = ()
    gates: tuple[str, ...] = ()
    title: str = "koo"
    version: str = ""
    runbooks: str = ""
    posts_per_minute: int = POSTS_PER_MINUTE
    most_streams: int = 20

    def __post_init__(self) -> None:
        """Refuse what would lock everybody out or let everybody in."""
        if "*" in "".join(self.hosts):
            raise ValueError("ConsoleConfig: hosts takes no wildcard; name each host")
        for name in ("posts_per_minute", "most_streams"):
            if getattr(self, name) < 1:
                raise ValueError(f"ConsoleConfig: {name} must be at least 1")

    def about(self) -> AboutView:
        """What the page may know before anybody signs in."""
        return AboutView(self.title, self.version, has_runbooks=bool(self.runbooks))


class Console:
    """The HTTP surface of a *monitor*: routes, page, stream, doors and their keys.

    With *answers*, an ``AIManager``, AI services can be called over it too; with
    *records* alerts can be silenced and acknowledged, and actions and spend are kept; a
    *tracer* follows what requests call.
    """

    def __init__(
        self,
        monitor: Monitor,
        access: Access,
        config: ConsoleConfig | None = None,
        *,
        answers: AIManager | None = None,
        records: Records | None = None,
        tracer: Tracer | None = None,
        on_event: Listener = ignore,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.monitor = monitor
        self._answers = answers
        self._tracer = tracer
        self.access = access
        self.config = config or ConsoleConfig()
        doors = Doors(access, per_minute=self.config.posts_per_minute, clock=clock)
        self.desk = Desk(monitor, doors, on_event, clock, records)
        self.feed = Feed(self._snapshot, most=self.config.most_streams, clock=clock)
        self.lifecycle = Lifecycle(self._drain)

    def routers(self) -> tuple[APIRouter, ...]:
        """The routers of every part; :meth:`install` includes them."""
        config, doors = self.config, self.desk.doors
        calls = () if self._answers is None else (call_router(self.desk, self._answers),)
        records = self.desk.records
        return (
            *calls,
            *(() if records is None else self._kept(records)),
            monitoring_router(self.desk, self.feed),
            service_router(self.desk),
            event_router(self.desk),
            metrics_router(self.desk),
            sign_in_router(self.access, doors, config.about()),
            runbook_router(doors, config.runbooks),
            probe_router(self.monitor, self.lifecycle, config.gates),
            page_router(load_page()),
        )

    def _kept(self, records: Records) -> tuple[APIRouter, ...]:
        return record_router(self.desk, records), spend_router(self.desk, records.spend)

    def install(self, app: FastAPI) -> None:
        """Put routes, guards and the form of errors into *app*."""
        for router in self.routers():
            app.include_router(router)
        app.router.redirect_slashes = False
        hosts = (*LOOPBACK_HOSTS, *self.config.hosts)
        # Starlette puts the last one added outermost.
        app.add_middleware(BodyLimit, larger=BODY_LIMITS)
        app.add_middleware(HostGuard, hosts=hosts)
        app.add_middleware(SecurityHeaders)
        app.add_middleware(RequestIds, tracer=self._tracer)
        handle_problems(app, self.monitor.redact)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Watched and ready inside; the first signal, or the end, drains and ends the streams."""
        self.feed.begin()
        tasks = [_in_empty_context(self.monitor.watch())]
        if (records := self.desk.records) is not None:
            records.archive.take_time()
            tasks.append(_in_empty_context(records.mute_book.follow()))
            tasks.append(_in_empty_context(records.spend.keep(self.monitor.reports)))
        try:
            async with self.lifecycle.running():
                yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def _drain(self) -> None:
        self.feed.end()
        if self.desk.records is not None:
            self.desk.records.archive.hurry()

    def _snapshot(self) -> bytes:
        return _DASHBOARD.dump_json(self.monitor.dashboard(), by_alias=True)


def _in_empty_context(work: Any) -> asyncio.Task[None]:  # noqa: ANN401 - any coroutine
    """A task that inherits nobody's deadline."""
    return asyncio.get_running_loop().create_task(work, context=contextvars.Context())
