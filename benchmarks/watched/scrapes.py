"""A scrape with fifty services, beside prometheus-client writing as many lines."""

from __future__ import annotations

from collections.abc import Callable
from time import process_time

from lab.figures import Figure, Section
from lab.paired import Estimate, ratios
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from koo.ai import PriceTable
from koo.monitoring import Monitor
from koo.monitoring.metrics import OPEN_METRICS, PROMETHEUS

from .services import Silent, service

__all__ = ["scrapes"]

_SERVICES = 50
_CALLS = 20
_ROUNDS = 41
_MILLI = 1000


async def scrapes() -> Section:
    prices = PriceTable()
    services = [service(f"s{number}", Silent(), prices) for number in range(_SERVICES)]
    for each in services:
        for _ in range(_CALLS):
            await each.query("hi")
    monitor = Monitor(services)
    lines = PROMETHEUS.write(monitor.metrics()).count("\n")
    theirs = _as_many(lines)
    contenders: dict[str, Callable[[], object]] = {
        "koo": lambda: PROMETHEUS.write(monitor.metrics()),
        "OpenMetrics": lambda: OPEN_METRICS.write(monitor.metrics()),
        "reports": monitor.reports,
        "theirs": lambda: generate_latest(theirs),
    }
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(_ROUNDS):
        for name, run in contenders.items():
            taken[name].append(_time(run))
    figures = [
        Figure.estimated("a scrape, Prometheus text", Estimate.of(taken["koo"]), "ms", "< 5 ms"),
        Figure("a scrape, the best round", min(taken["koo"]), "ms"),
        Figure.estimated("a scrape, OpenMetrics", Estimate.of(taken["OpenMetrics"]), "ms"),
        Figure.estimated("of it the components' reports", Estimate.of(taken["reports"]), "ms"),
        Figure.estimated("prometheus-client, as many lines", Estimate.of(taken["theirs"]), "ms"),
        Figure.estimated("koo over prometheus-client", ratios(taken["koo"], taken["theirs"]), ""),
    ]
    method = (
        f"{_SERVICES} AI services, each with its histograms, {lines:,} lines in all, nothing kept"
        f" from one scrape to the next but names. CPU of the process, medians of {_ROUNDS}"
        " interleaved rounds. prometheus-client writes gauges of one label, from memory. Where the"
        " goal is missed: near half of it are the photographs of all components, made anew each"
        " time, the rest sorting and writing the lines, at less than a microsecond each."
    )
    return Section("A scrape with fifty services", method, figures)


def _as_many(lines: int) -> CollectorRegistry:
    registry = CollectorRegistry()
    gauge = Gauge("a_gauge_of_theirs", "A gauge.", ["name"], registry=registry)
    for number in range(lines - 2):
        gauge.labels(f"n{number}").set(number)
    return registry


def _time(run: Callable[[], object]) -> float:
    began = process_time()
    run()
    return (process_time() - began) * _MILLI
