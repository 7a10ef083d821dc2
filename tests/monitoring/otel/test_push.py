"""OpenTelemetry is told the same numbers as Prometheus, under the names of its conventions."""

import asyncio
import io
import json
from dataclasses import dataclass, replace

import pytest
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ConsoleMetricExporter,
    Gauge,
    Histogram,
    MetricExportResult,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.semconv._incubating.metrics import db_metrics, gen_ai_metrics

from koo.monitoring import Monitor
from koo.monitoring.otel import Conventions, MetricsPush, metrics_data
from koo.resilience import Distribution, Reading
from koo.testing import FakeClock, running_clock

BEGAN, NOW = 1_700_000_000.0, 1_700_000_060.0


@dataclass
class Component:
    name: str
    told: object

    def report(self):
        return self.told


class Exporter:
    def __init__(self, *results):
        self.results, self.pushed = list(results), []

    def export(self, data):
        self.pushed.append(data)
        result = self.results.pop(0) if self.results else MetricExportResult.SUCCESS
        if isinstance(result, Exception):
            raise result
        return result


@pytest.fixture
def monitor(made):
    tokens = made.distribution("token_usage", 10 / 2**20, 5 / 2**20).stats
    labels = (("model", "m"), ("type", "input"))
    service = made.service("claude")
    spread = Distribution("token_usage", tokens, labels)
    begun = made.distribution("first_token_time", 0.25)
    service = replace(service, distributions=(*service.distributions, begun, spread))
    times = ("create_time", "wait_time", "use_time")
    database = made.database(distributions=[made.distribution(name, 0.5) for name in times])
    limited = Reading("pool.active", 3, limit=30)
    others = (one for one in database.readings if one.name != limited.name)
    reports = replace(database, readings=(limited, *others)), service
    return Monitor([Component(one.component, one) for one in reports], clock=FakeClock())


def metrics(monitor, conventions=Conventions.SEMCONV_0_66):
    data = metrics_data(monitor.metrics(), span=(BEGAN, NOW), conventions=conventions)
    [resource] = data.resource_metrics
    [scope] = resource.scope_metrics
    return {metric.name: metric for metric in scope.metrics}


def test_the_pool_has_the_names_and_units_of_the_conventions(monitor):
    told = metrics(monitor)
    used = {
        point.attributes["db.client.connection.state"]: point.value
        for point in told[db_metrics.DB_CLIENT_CONNECTION_COUNT].data.data_points
    }
    assert used == {"used": 3, "idle": 1}
    for name, unit in {
        db_metrics.DB_CLIENT_CONNECTION_COUNT: "{connection}",
        db_metrics.DB_CLIENT_CONNECTION_MAX: "{connection}",
        db_metrics.DB_CLIENT_CONNECTION_IDLE_MAX: "{connection}",
        db_metrics.DB_CLIENT_CONNECTION_PENDING_REQUESTS: "{request}",
        db_metrics.DB_CLIENT_CONNECTION_TIMEOUTS: "{timeout}",
        db_metrics.DB_CLIENT_CONNECTION_CREATE_TIME: "s",
        db_metrics.DB_CLIENT_CONNECTION_WAIT_TIME: "s",
        db_metrics.DB_CLIENT_CONNECTION_USE_TIME: "s",
        gen_ai_metrics.GEN_AI_CLIENT_OPERATION_DURATION: "s",
        gen_ai_metrics.GEN_AI_CLIENT_OPERATION_TIME_TO_FIRST_CHUNK: "s",
        gen_ai_metrics.GEN_AI_CLIENT_TOKEN_USAGE: "{token}",
    }.items():
        assert told[name].unit == unit, name


def test_a_count_of_connections_may_be_summed_and_a_ratio_may_not(monitor):
    told = metrics(monitor)
    connections = told["db.client.connection.count"].data
    assert isinstance(connections, Sum)
    assert not connections.is_monotonic
    assert isinstance(told["koo.db.failure_ratio"].data, Gauge)
    assert told["db.client.connection.timeouts"].data.is_monotonic


def test_a_histogram_keeps_its_count_sum_and_buckets(monitor):
    told = metrics(monitor)["gen_ai.client.operation.duration"].data
    assert isinstance(told, Histogram)
    assert told.aggregation_temporality is AggregationTemporality.CUMULATIVE
    [point] = told.data_points
    assert (point.count, point.sum) == (2, pytest.approx(2.1))
    assert sum(point.bucket_counts) == 2
    assert len(point.bucket_counts) == len(point.explicit_bounds) + 1
    assert point.attributes == {
        "koo.service": "claude", "gen_ai.provider.name": "anthropic",
        "gen_ai.operation.name": "chat",
    }  # fmt: skip


def test_tokens_have_the_buckets_that_the_conventions_advise(monitor):
    [point] = metrics(monitor)["gen_ai.client.token.usage"].data.data_points
    assert point.explicit_bounds == tuple(4.0**power for power in range(14))
    assert (point.count, point.sum) == (2, 15)
    assert point.bucket_counts[:3] == [0, 0, 2]
    assert point.attributes["gen_ai.token.type"] == "input"
    assert point.attributes["gen_ai.request.model"] == "m"


def test_the_other_switch_uses_our_names_alone(monitor):
    told = metrics(monitor, Conventions.KOO)
    assert {name.partition(".")[0] for name in told} == {"koo"}
    assert told["koo.ai.response"].unit == "s"
    [point] = told["koo.ai.response"].data.data_points
    assert point.attributes == {"koo.service": "claude"}


@pytest.mark.parametrize("conventions", Conventions)
def test_both_tell_every_family_once_and_as_many_points_as_prometheus(monitor, conventions):
    families = monitor.metrics()
    told = metrics(monitor, conventions)
    assert len(told) == len(families)
    points = sum(len(metric.data.data_points) for metric in told.values())
    assert points == sum(len(family.points) + len(family.spreads) for family in families)


def test_points_say_when_counting_began_and_when_it_was_looked_at(monitor):
    [point] = metrics(monitor)["db.client.connection.timeouts"].data.data_points
    assert (point.start_time_unix_nano, point.time_unix_nano) == (BEGAN * 1e9, NOW * 1e9)


async def test_it_pushes_again_and_again_and_once_more_at_its_end(monitor):
    exporter = Exporter()
    push = MetricsPush(monitor, exporter, every=60.0, clock=running_clock())
    pushing = asyncio.create_task(push.run())
    await asyncio.sleep(150)
    pushing.cancel()
    await asyncio.wait([pushing])
    assert len(exporter.pushed) == 3
    assert push.failures_total == 0


async def test_a_push_that_fails_is_counted_and_the_next_goes_all_the_same(monitor):
    exporter = Exporter(MetricExportResult.FAILURE, OSError("gone"))
    push = MetricsPush(monitor, exporter, resource=Resource.get_empty(), clock=FakeClock())
    for _ in range(3):
        await push.push()
    assert push.failures_total == 2
    assert len(exporter.pushed) == 3


async def test_an_exporter_of_theirs_can_write_it(monitor):
    out = io.StringIO()
    await MetricsPush(monitor, ConsoleMetricExporter(out=out), clock=FakeClock()).push()
    written = json.loads(out.getvalue())
    names = {
        metric["name"] for metric in written["resource_metrics"][0]["scope_metrics"][0]["metrics"]
    }
    assert {"db.client.connection.count", "gen_ai.client.token.usage"} <= names
