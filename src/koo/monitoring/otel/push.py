"""Pushes what is counted to an exporter of OpenTelemetry, every so often.

Their SDK has no door for histograms that were counted elsewhere, but every exporter takes
the data model: so that is what is made, once for each push.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from ...resilience import SYSTEM_CLOCK, Clock
from ..metrics import Family, Kind, Spread
from .names import Conventions, Instrument, instrument_of

if TYPE_CHECKING:
    from ..monitor import Monitor

__all__ = ["MetricsPush", "metrics_data"]

_NANO: Final = 10**9
_CUMULATIVE: Final = AggregationTemporality.CUMULATIVE
_SCOPE: Final = "koo"


class MetricsPush:
    """Pushes the metrics of *monitor* to *exporter*; ``failures_total`` counts what did not arrive.

    The numbers are cumulative, so a push that is lost is made good by the next. *resource*
    says who they are of; without one it is read from the environment, as the SDK does.
    """

    def __init__(
        self,
        monitor: Monitor,
        exporter: MetricExporter,
        *,
        every: float = 60.0,
        conventions: Conventions = Conventions.SEMCONV_0_66,
        resource: Resource | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._collect: Callable[[], tuple[Family, ...]] = monitor.metrics
        self._exporter = exporter
        self._every = every
        self._conventions = conventions
        self._resource = resource or Resource.create()
        self._clock = clock
        self._began = clock.time()
        self.failures_total = 0

    async def push(self) -> None:
        """Push once, in a thread. Never raises for a failed push."""
        families, now = self._collect(), self._clock.time()
        data = metrics_data(
            families,
            span=(self._began, now),
            conventions=self._conventions,
            resource=self._resource,
        )
        try:
            result = await asyncio.to_thread(self._exporter.export, data)
        except Exception:  # noqa: BLE001 - an exporter must not end the pushing
            result = MetricExportResult.FAILURE
        self.failures_total += result is not MetricExportResult.SUCCESS

    async def run(self) -> None:
        """Push every so many seconds until cancelled, and once more then."""
        try:
            while True:
                await self._clock.sleep(self._every)
                await self.push()
        finally:
            await self.push()


def metrics_data(
    families: Iterable[Family],
    *,
    span: tuple[float, float],
    conventions: Conventions = Conventions.SEMCONV_0_66,
    resource: Resource | None = None,
) -> MetricsData:
    """*families* in OpenTelemetry's data model.

    *span* is when counting began and now, epoch seconds.
    """
    times = int(span[0] * _NANO), int(span[1] * _NANO)
    metrics = [_metric(family, instrument_of(family, conventions), times) for family in families]
    scopes = [ScopeMetrics(InstrumentationScope(_SCOPE), metrics, "")]
    return MetricsData([ResourceMetrics(resource or Resource.get_empty(), scopes, "")])


def _metric(family: Family, instrument: Instrument, times: tuple[int, int]) -> Metric:
    return Metric(instrument.name, family.help, instrument.unit, _data(family, instrument, times))


def _data(
    family: Family, instrument: Instrument, times: tuple[int, int]
) -> Sum | Gauge | Histogram:
    if family.kind is Kind.HISTOGRAM:
        spreads = [_spread(it, family, instrument, times) for it in family.spreads]
        return Histogram(spreads, _CUMULATIVE)
    points = [*_points(family, instrument, times)]
    if family.kind is Kind.COUNTER:
        return Sum(points, _CUMULATIVE, is_monotonic=True)
    if instrument.adds_up:
        return Sum(points, _CUMULATIVE, is_monotonic=False)
    return Gauge(points)


def _points(
    family: Family, instrument: Instrument, times: tuple[int, int]
) -> Iterator[NumberDataPoint]:
    for value, labels in family.points:
        yield NumberDataPoint(instrument.attributes(labels), *times, value)


def _spread(
    spread: Spread, family: Family, instrument: Instrument, times: tuple[int, int]
) -> HistogramDataPoint:
    seen, count = spread.counts(family.bounds), spread.stats.count
    between = [one - before for one, before in zip([*seen, count], [0, *seen], strict=True)]
    return HistogramDataPoint(
        attributes=instrument.attributes(spread.labels),
        start_time_unix_nano=times[0],
        time_unix_nano=times[1],
        count=count,
        sum=spread.total,
        bucket_counts=between,
        explicit_bounds=family.bounds,
        min=float("inf"),
        max=float("-inf"),
    )
