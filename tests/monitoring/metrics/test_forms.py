"""What a scrape says can be read by those who read scrapes, and says what was counted."""

import json
import math

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as read_open_metrics,
)
from prometheus_client.parser import text_string_to_metric_families as read_prometheus

from koo.monitoring.metrics import (
    JSON,
    OPEN_METRICS,
    PROMETHEUS,
    Family,
    Kind,
    Labels,
    Point,
    Spread,
    choose_form,
)
from koo.resilience import Histogram

READERS = {
    "Prometheus": (PROMETHEUS, read_prometheus),
    "OpenMetrics": (OPEN_METRICS, read_open_metrics),
}
NASTY = 'a "quoted"\\ name\nwith a line'


def histogram(*values):
    made = Histogram()
    for value in values:
        made.record(value)
    return made.stats()


FAMILIES = (
    Family(
        name="koo_calls_total",
        kind=Kind.COUNTER,
        help="Calls\nthat came.",
        points=(Point(3, Labels([("who", NASTY)])), Point(4, Labels([("who", "b")]))),
    ),
    Family(name="koo_share_ratio", kind=Kind.GAUGE, help="A share.", points=(Point(0.25),)),
    Family(
        name="koo_wait_seconds",
        kind=Kind.HISTOGRAM,
        help="Waits.",
        unit="seconds",
        spreads=(
            Spread(histogram(0.25, 0.3, 0.5, 700.0), Labels([("who", "a")])),
            Spread(histogram()),
        ),
        bounds=(0.25, 0.5, 1.0),
    ),
)


def samples(form, read, families=FAMILIES):
    parsed = list(read(form.write(families)))
    return {
        (one.name, tuple(sorted(one.labels.items()))): one.value
        for family in parsed
        for one in family.samples
    }


@pytest.mark.parametrize(("form", "read"), READERS.values(), ids=READERS)
def test_a_reader_gets_every_number_back(form, read):
    told = samples(form, read)
    assert told["koo_calls_total", (("who", NASTY),)] == 3
    assert told["koo_calls_total", (("who", "b"),)] == 4
    assert told["koo_share_ratio", ()] == 0.25


@pytest.mark.parametrize(("form", "read"), READERS.values(), ids=READERS)
def test_a_bucket_holds_what_is_at_most_its_bound(form, read):
    told = samples(form, read)
    buckets = {
        bound: told["koo_wait_seconds_bucket", (("le", bound), ("who", "a"))]
        for bound in ("0.25", "0.5", "1.0", "+Inf")
    }
    assert buckets == {"0.25": 1, "0.5": 3, "1.0": 3, "+Inf": 4}
    assert told["koo_wait_seconds_count", (("who", "a"),)] == 4
    assert told["koo_wait_seconds_sum", (("who", "a"),)] == pytest.approx(701.05)
    assert told["koo_wait_seconds_count", ()] == 0


def test_open_metrics_names_units_and_its_end():
    text = OPEN_METRICS.write(FAMILIES)
    assert "# UNIT koo_wait_seconds seconds\n" in text
    assert "# TYPE koo_calls counter\n" in text
    assert text.endswith("# EOF\n")


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, 1e-9, 2**60])
def test_every_number_has_a_form(value):
    family = Family(name="koo_x", kind=Kind.GAUGE, help="X.", points=(Point(value),))
    told = samples(PROMETHEUS, read_prometheus, [family])["koo_x", ()]
    assert told == value or (math.isnan(told) and math.isnan(value))


def test_json_has_the_same_numbers_and_percentiles_of_the_buckets():
    calls, share, waits = json.loads(JSON.write(FAMILIES))["families"]
    assert [point["value"] for point in calls["points"]] == [3, 4]
    assert share["unit"] is None
    full, empty = waits["points"]
    stats = FAMILIES[2].spreads[0].stats
    assert (full["count"], full["p95"]) == (4, stats.quantile(0.95))
    assert empty == {"labels": {}, "count": 0, "sum": 0, "p50": None, "p95": None, "p99": None}


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", PROMETHEUS),
        ("*/*", PROMETHEUS),
        ("text/html,application/xhtml+xml", PROMETHEUS),
        ("application/openmetrics-text;version=1.0.0", OPEN_METRICS),
        (
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3,*/*;q=0.1",
            OPEN_METRICS,
        ),
        ("application/openmetrics-text;q=0.2, text/plain;version=0.0.4;q=0.9", PROMETHEUS),
        ("application/openmetrics-text;q=0", PROMETHEUS),
        ("application/openmetrics-text;q=much", PROMETHEUS),
        ("Application/JSON", JSON),
    ],
)
def test_the_form_is_what_the_reader_likes_best(accept, form):
    assert choose_form(accept) is form
