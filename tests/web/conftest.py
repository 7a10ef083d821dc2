"""Components on the floor's real gates, an application around them, and a visitor without sockets.

stage.database, stage.services --> Monitor --> Console --> FastAPI app <-- stage.ask(...)
"""

from __future__ import annotations

import asyncio
import atexit
import itertools
import json
import shutil
import tempfile
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property, partial
from pathlib import Path
from urllib.parse import unquote

import fastapi.routing
import pytest
from fastapi import FastAPI

from koo.ai import AIManager, AIService, PriceTable, ServiceConfig, TokenPrice
from koo.monitoring import Journal, Monitor, Records
from koo.resilience import (
    ONE_REQUEST,
    SUCCESS,
    BreakerConfig,
    CheckStats,
    CircuitBreaker,
    Distribution,
    Failure,
    LastError,
    Reading,
    Report,
    derive_health,
)
from koo.resilience import Histogram as Times
from koo.stores import Archive
from koo.testing import FakeClock
from koo.web import Access, AccessConfig, Console, ConsoleConfig

from ..untraced import untraced

READ, OPERATE = "test-key-for-reading", "test-key-for-operating"
# Each application's records are in a file of its own, made when something is recorded.
FOLDER, NUMBERS = Path(tempfile.mkdtemp(prefix="koo-web-")), itertools.count()
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
# Nine tenths of what an application takes to be assembled; hundreds of tests have one of their own.
fastapi.routing._populate_api_route_state = untraced(fastapi.routing._populate_api_route_state)


@dataclass
class Component:
    """A component whose breaker is real and whose world is scripted."""

    name: str
    clock: FakeClock
    journal: Journal
    readings: list[Reading] = field(default_factory=list)
    details: dict = field(default_factory=dict)
    answers: bool = True
    asking: bool = False
    asked: int = 0
    resets: int = 0
    check_stats: CheckStats | None = None
    times: dict[str, Times] = field(default_factory=dict)

    def __post_init__(self):
        config = BreakerConfig(recovery_timeout=60)
        self.breaker = CircuitBreaker(
            self.name, config, clock=self.clock, random=lambda: 0, on_event=self.journal.record
        )

    def fail(self, times=5, cause="connection refused"):
        permits = [self.breaker.admit(ONE_REQUEST) for _ in range(times)]
        for permit in permits:
            permit.settle(Failure(retryable=True, trips=True, cause=cause))

    def succeed(self, times=1):
        for _ in range(times):
            self.breaker.admit(ONE_REQUEST).settle(SUCCESS)

    def refuse(self, times):
        for _ in range(times):
            self.breaker.admit(ONE_REQUEST)

    def report(self):
        stats = self.breaker.stats()
        configured = self.details.get("configured", True)
        state = derive_health(stats, self.check_stats, maintenance=not configured)
        return Report(
            component=self.name,
            kind="database" if self.name == "database" else "ai",
            state=state,
            since=stats.since,
            cause=stats.cause,
            next_try=stats.retry_after,
            breaker=stats,
            check=self.check_stats,
            readings=tuple(self.readings),
            distributions=tuple(Distribution(k, v.stats()) for k, v in self.times.items()),
            details=self.details | {"fresh": self.is_fresh},
        )

    @property
    def is_fresh(self):
        """Whether a check would be answered without asking."""
        last = self.check_stats
        return self.asking or (last is not None and self.clock.time() - last.at < 1)

    async def check(self):
        self.asked += 1
        await asyncio.sleep(0)
        error = None if self.answers else "ConnectionRefusedError: nobody listens"
        self.check_stats = CheckStats(self.answers, self.clock.time(), 0.0031, error)
        return self.report()

    def half_open(self):
        self.breaker.half_open("half-opened by hand")

    def reset(self):
        self.resets += 1
        self.breaker.reset()


def database_component(clock, journal, *, active=10, overflow=0, waiting=0):
    numbers = {
        "pool.size": 10, "pool.max_overflow": 20, "pool.active": active, "pool.overflow": overflow,
        "pool.idle": max(0, 10 - active), "pool.total": max(10, active), "pool.waiting": waiting,
        "checkouts_total": 48_211, "checkouts_per_second": 41.3, "checkins_total": 48_200,
        "checkins_per_second": 41.1, "connections_created_total": 31,
        "connections_closed_total": 3, "connections_invalidated_total": 2,
        "connections_recycled_total": 1, "timeouts_total": 3, "failure_rate": 0.004,
    }  # fmt: skip
    component = Component(
        "database", clock, journal, [Reading(name, value) for name, value in numbers.items()]
    )
    component.readings.append(Reading("errors_total", 3, labels=(("kind", "timeout"),)))
    component.times = {"response_time": times(0.002, 0.004, 0.03), "wait_time": times(0.0004, 1.9)}
    return component


def service_component(clock, journal, name, *, spent=0, minute=0, configured=True):
    component = Component(f"ai:{name}", clock, journal)
    component.details = {
        "configured": configured, "model": f"{name}-model", "vendor": name, "last_error": None,
        "key_variable": f"{name.upper()}_API_KEY",
    }  # fmt: skip
    if not configured:
        return component
    midnight = (clock.time() // 86_400 + 1) * 86_400
    component.readings = [
        *windows(minute),
        Reading("requests_total", 1_204),
        Reading("successes_total", 1_190),
        Reading("failures_total", 14),
        Reading("success_rate", 0.996),
        Reading("retries_total", 9),
        Reading("errors_total", 9, labels=(("kind", "timeout"),)),
        Reading("errors_total", 5, labels=(("kind", "unavailable"),)),
        Reading("last_success_at", clock.time() - 2),
        Reading("budget.spent", spent, limit=10_000_000_000),
        Reading("budget.reserved", 20_000_000),
        Reading("budget.remaining", 10_000_000_000 - spent),
        Reading("budget.resets_at", midnight),
        Reading("cost.last", 4_210_000),
        Reading("cost.mean", 3_800_000),
    ]
    component.details["last_error"] = LastError("timeout", clock.time() - 90)
    component.times = {"response_time": times(0.7, 0.9, 1.6, 2.4)}
    return component


def windows(minute):
    for name, limit, used in (("minute", 60, minute), ("hour", 1000, 212), ("day", 10_000, 1204)):
        labels = (("window", name),)
        yield Reading("limit.used", used, limit=limit, labels=labels)
        yield Reading("limit.remaining", limit - used, labels=labels)
        yield Reading("limit.reset_after", 12.5, labels=labels)


def times(*seconds):
    histogram = Times()
    for second in seconds:
        histogram.record(second)
    return histogram


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


async def visit(app, method, path, *, headers=(), body=b"", host="127.0.0.1:8000", keep=None):
    """Send one request to *app*; *body* may be a list of chunks without a length.

    What *app* sends goes into *keep* too, for who wants to see it although *app* fails.
    """
    chunks = list(body) if isinstance(body, list) else [body]
    sent = {"host": host} | {name.lower(): value for name, value in dict(headers).items()}
    if not isinstance(body, list):
        sent.setdefault("content-length", str(len(body)))
    path, _, query = path.partition("?")
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1",
        "method": method, "scheme": "http", "path": unquote(path), "raw_path": path.encode(),
        "query_string": query.encode(), "root_path": "", "client": ("127.0.0.1", 5000),
        "server": ("127.0.0.1", 8000),
        "headers": [(k.encode(), v.encode()) for k, v in sent.items() if v is not None],
    }  # fmt: skip
    messages = [] if keep is None else keep

    async def receive():
        if not chunks:
            await asyncio.Event().wait()
        chunk = chunks.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": bool(chunks)}

    async def send(message):
        messages.append(message)

    await app(scope, receive, send)
    start, *parts = messages
    return Answer(
        start["status"],
        {name.decode(): value.decode() for name, value in start["headers"]},
        b"".join(part.get("body", b"") for part in parts),
    )


class NoPrices(PriceTable):
    """A table that knows nothing, and is never read."""

    async def get(self, vendor, model, base_url, *, timeout=None):
        return None


def manager_of(provider):
    """A manager of one service, claude, whose limits nobody reaches."""
    plenty = 10**9
    config = ServiceConfig(
        name="claude", api_key="test-key", price=TokenPrice(Decimal(1), Decimal(2)),
        requests_per_minute=plenty, requests_per_hour=plenty, requests_per_day=plenty,
    )  # fmt: skip
    return AIManager([AIService(config, provider, prices=NoPrices())])


class Stage:
    """An application with a database and three services, one of them without a key.

    With *answers*, an ``AIManager``, services can be called over it too.
    """

    def __init__(self, *, read=READ, operate=OPERATE, config=None, clock=None, answers=None):
        self.clock = clock or FakeClock()
        self.events = []
        self.journal = Journal(clock=self.clock)
        self.database = database_component(self.clock, self.journal)
        self.services = {
            "claude": service_component(self.clock, self.journal, "claude", spent=2_000_000_000),
            "openai": service_component(self.clock, self.journal, "openai", spent=1_500_000_000),
            "gemini": service_component(self.clock, self.journal, "gemini", configured=False),
        }
        secrets = (f"secret-{number}" for number in range(1000))
        self.access = Access(
            AccessConfig(read_token=read, operate_token=operate),
            clock=self.clock,
            new_secret=lambda: next(secrets),
        )
        self.config = config or ConsoleConfig(title="koo test")
        self.answers = answers
        archive = Archive(FOLDER / f"{next(NUMBERS)}.db")
        self.records = Records.of(archive, clock=self.clock)
        self.build([self.database, *self.services.values()])

    def build(self, components):
        """The application around *components*."""
        self.monitor = Monitor(
            components,
            journal=self.journal,
            configuration=lambda: {"DATABASE_POOL_SIZE": 10, "DB_MAX_RETRIES": 3},
            mutes=self.records.mute_book.mutes,
            clock=self.clock,
        )
        self.console = Console(
            self.monitor, self.access, self.config, answers=self.answers, records=self.records,
            on_event=self.events.append, clock=self.clock,
        )  # fmt: skip
        self.__dict__.pop("app", None)

    @cached_property
    def app(self):
        """Assembled when first asked for, which takes longer than most tests."""
        app = FastAPI(title="koo test", docs_url=None, redoc_url=None, lifespan=self.lifespan)
        self.console.install(app)
        return app

    @asynccontextmanager
    async def lifespan(self, _):
        async with self.console.running():
            yield

    def ask(self, method, path, *, token=None, headers=(), **more):
        return asyncio.run(self.visit(method, path, token=token, headers=headers, **more))

    async def visit(self, method, path, *, token=None, headers=(), **more):
        extra = {"authorization": f"Bearer {token}"} if token else {}
        return await visit(self.app, method, path, headers=dict(headers) | extra, **more)

    def get(self, path, token=READ):
        return self.ask("GET", path, token=token)

    def post(self, path, token=OPERATE, **more):
        return self.ask("POST", path, token=token, **more)


@pytest.fixture
def stage():
    """An application with a read and an operate token."""
    return Stage()


@pytest.fixture(scope="session")
def quiet():
    """One application for all tests that change nothing in it."""
    return Stage()


@pytest.fixture
def open_stage():
    """An application on loopback without configured tokens."""
    return Stage(read=None, operate=None)


@pytest.fixture
def make_stage():
    """The way to other applications."""
    return Stage


@pytest.fixture
def tokens():
    """The configured tokens by role."""
    return {"anonymous": None, "read": READ, "operate": OPERATE}


@pytest.fixture
def make_service():
    """The way to other services."""
    return service_component


@pytest.fixture
def make_database():
    """The way to other databases."""
    return database_component


@pytest.fixture
def visitor():
    """One request to any ASGI application."""
    return lambda app, *args, **more: asyncio.run(visit(app, *args, **more))


@pytest.fixture
def visit_once():
    """As ``visitor``, for who is in a loop already."""
    return visit


@pytest.fixture
def bearer():
    """The header of a token."""
    return partial("Bearer {}".format)
