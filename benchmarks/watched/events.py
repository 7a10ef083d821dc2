"""One event, counted: koo's counter and histogram beside those of the usual clients."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import process_time_ns

from lab.figures import Figure, Section
from lab.rounds import Contender, race
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry
from prometheus_client import Counter as TheirCounter
from prometheus_client import Histogram as TheirHistogram

from koo.resilience import Counter, Histogram

__all__ = ["events"]

_SECONDS = 0.0123
_GOALS = {"koo, a counter": "<= 100 ns", "koo, a histogram": "<= 400 ns"}


async def _in_step(operation: Callable[[], object], number: int) -> int:
    begin = process_time_ns()
    for _ in range(number):
        operation()
    return process_time_ns() - begin


async def events() -> Section:
    registry = CollectorRegistry()
    counter = TheirCounter("events", "Events.", ["name"], registry=registry).labels("a")
    histogram = TheirHistogram("seconds", "Seconds.", ["name"], registry=registry).labels("a")
    meter = MeterProvider([InMemoryMetricReader()]).get_meter("koo")
    otel_counter, otel_histogram = meter.create_counter("n"), meter.create_histogram("s")
    labels = {"name": "a"}
    operations = {
        "koo, a counter": Counter().add,
        "koo, a histogram": partial(Histogram().record, _SECONDS),
        "prometheus-client, a counter's child": counter.inc,
        "prometheus-client, a histogram's child": partial(histogram.observe, _SECONDS),
        "OpenTelemetry's SDK, a counter": partial(otel_counter.add, 1, labels),
        "OpenTelemetry's SDK, a histogram": partial(otel_histogram.record, _SECONDS, labels),
    }
    timings = await race([Contender(name, it, _in_step) for name, it in operations.items()])  # type: ignore[arg-type]
    figures = [
        Figure(name, it.median, "ns", _GOALS.get(name, ""), it.best, it.worst, it.rounds)
        for name, it in timings.items()
    ]
    method = (
        "Nanoseconds of CPU for one event, the call included, medians of"
        f" {figures[0].rounds} interleaved rounds in one process."
    )
    return Section("One event, counted", method, figures)
