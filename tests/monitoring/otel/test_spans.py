"""A call and its steps are spans, and what is sent continues the trace; nothing else is told."""

import asyncio

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from koo.ai import AIManager, ServiceConfig
from koo.database import DatabaseConfig, DatabaseManager
from koo.errors import ApiKeyError, ServiceUnavailableError
from koo.monitoring.otel import Spans
from koo.resilience import TRACER, Backoff, RetryConfig, following
from koo.testing import Fault, Simulator
from koo.web.guards import RequestIds

PROMPT, KEY = "prompt that must not be seen", "Zq9-canary-of-a-key"


@pytest.fixture
def told():
    """Spans that have ended, and the tracer that made them."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return exporter.get_finished_spans, Spans(provider)


async def query(simulator):
    retry = RetryConfig(max_retries=2, backoff=Backoff(base_delay=0.01, max_delay=0.02))
    config = ServiceConfig(
        name="claude", api_key=KEY, base_url=simulator.base_url("claude"), retry=retry
    )
    manager = AIManager.from_configs([config])
    try:
        return await manager.query("claude", PROMPT)
    finally:
        await manager.close()


@pytest.mark.integration
async def test_a_call_has_a_span_for_each_attempt_and_each_is_continued_downstream(told):
    finished, tracer = told
    TRACER.set(tracer)
    async with Simulator(("claude",)) as simulator:
        simulator.fault("claude", Fault.OVERLOADED, count=1)
        await query(simulator)
        received = simulator.completions("claude")
    first, second, call = finished()
    assert [span.name for span in (first, second, call)] == [
        "attempt ai:claude", "attempt ai:claude", "call ai:claude",
    ]  # fmt: skip
    assert first.parent.span_id == second.parent.span_id == call.context.span_id
    assert [span.attributes["koo.attempt"] for span in (first, second)] == [1, 2]
    assert (first.kind, call.kind) == (SpanKind.CLIENT, SpanKind.INTERNAL)
    assert (first.status.status_code, second.status.status_code) == (
        StatusCode.ERROR, StatusCode.UNSET,
    )  # fmt: skip
    sent = [one.headers["traceparent"].rpartition("-")[0] for one in received]
    assert sent == [
        f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}" for span in (first, second)
    ]


@pytest.mark.integration
async def test_without_a_tracer_nothing_of_a_trace_is_sent():
    async with Simulator(("claude",)) as simulator:
        await query(simulator)
        [received] = simulator.completions("claude")
    assert not {"traceparent", "tracestate"} & set(received.headers)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ApiKeyError("claude", f"{KEY} {PROMPT}"), "api_key"),
        (ServiceUnavailableError("claude", KEY), "unavailable"),
        (KeyError(PROMPT), "KeyError"),
    ],
)
def test_of_an_error_a_span_holds_the_kind_and_never_the_words(told, error, kind):
    finished, tracer = told
    with pytest.raises(type(error)), tracer.span("call", "ai:claude"):
        raise error
    [span] = finished()
    assert span.attributes["error.type"] == kind
    assert "koo.attempt" not in span.attributes
    assert KEY not in span.to_json()
    assert PROMPT not in span.to_json()


def test_outside_of_a_span_there_is_nothing_to_continue(told):
    assert told[1].headers() == {}


TRACE = "0af7651916cd43dd8448eb211c80319c"
THERE = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}


@pytest.mark.parametrize(("headers", "continues"), [(THERE, True), ({}, False)])
async def test_what_a_request_calls_belongs_to_the_trace_that_its_headers_name(
    told, headers, continues
):
    finished, tracer = told

    async def app(scope, receive, send):
        with following("call", "lab"):
            await send({"type": "http.response.start", "headers": []})

    async def send(message):
        return None

    listed = [(name.encode(), value.encode()) for name, value in headers.items()]
    await asyncio.create_task(
        RequestIds(app, tracer=tracer)({"type": "http", "headers": listed}, None, send)
    )
    [span] = finished()
    assert (f"{span.context.trace_id:032x}" == TRACE) is continues
    assert (span.parent is not None) is continues
    assert tracer.headers() == {}, "the trace outlived its request"


def test_a_trace_that_is_followed_already_is_not_left_for_that_of_a_header(told):
    finished, tracer = told
    with tracer.span("request", "web"):
        tracer.join(THERE)
        with tracer.span("call", "lab"):
            pass
    call, request = finished()
    assert call.parent.span_id == request.context.span_id


# -- a database -----------------------------------------------------------------------------------


@pytest.fixture
def make_database(tmp_path):
    url = f"sqlite+aiosqlite:///{tmp_path}/koo.db"
    return lambda: DatabaseManager(DatabaseConfig(url=url, pool_size=1, max_overflow=0))


def family(spans):
    """Each span under its parent: names, and how deep."""
    parents = {span.context.span_id: span.parent and span.parent.span_id for span in spans}

    def depth(identity):
        return 0 if identity is None else 1 + depth(parents.get(identity))

    return [f"{'.' * depth(span.context.span_id)}{span.name}" for span in spans]


@pytest.mark.integration
async def test_a_transaction_has_spans_for_the_wait_for_a_connection_and_for_its_commit(
    told, make_database
):
    finished, tracer = told
    TRACER.set(tracer)
    database = make_database()

    async def pick(session):
        await session.execute(text("SELECT :it"), {"it": KEY})

    await database.transact(pick)
    waited = finished()
    await database.transact(pick)
    await database.close()
    assert family(waited) == [
        "...checkout database", "...commit database", "..attempt database", ".call database",
    ]  # fmt: skip
    hot = finished()[len(waited) :]
    assert family(hot) == ["...commit database", "..attempt database", ".call database"]
    assert [span.kind for span in hot] == [SpanKind.CLIENT, SpanKind.CLIENT, SpanKind.INTERNAL]
    assert not any(KEY in span.to_json() for span in finished())


@pytest.mark.integration
async def test_a_scope_has_spans_of_what_is_ours_in_it(told, make_database):
    finished, tracer = told
    TRACER.set(tracer)
    database = make_database()
    async with database.session_scope() as session:
        await session.execute(text("SELECT 1"))
    await database.close()
    assert family(finished()) == [".checkout database", ".commit database"]


@pytest.mark.integration
async def test_a_transaction_that_fails_says_so_without_its_statement(told, make_database):
    finished, tracer = told
    TRACER.set(tracer)
    database = make_database()

    async def stumble(session):
        await session.execute(text(f"SELECT '{KEY}' FROM nowhere"))

    with pytest.raises(OperationalError):
        await database.transact(stumble)
    await database.close()
    _, attempt, call = finished()
    assert [span.attributes["error.type"] for span in (attempt, call)] == ["OperationalError"] * 2
    assert not any(KEY in span.to_json() for span in finished())
