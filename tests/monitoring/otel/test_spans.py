"""A call and its attempts are spans, and what is sent continues the trace; nothing else is told."""

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from koo.ai import AIManager, ServiceConfig
from koo.errors import ApiKeyError, ServiceUnavailableError
from koo.monitoring.otel import Spans
from koo.resilience import TRACER, Backoff, RetryConfig
from koo.testing import Fault, Simulator

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
