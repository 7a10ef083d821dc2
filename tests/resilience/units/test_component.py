"""The documented state, and what a report can be asked for."""

import pytest

from koo.resilience import (
    CheckStats,
    Distribution,
    Health,
    Histogram,
    HistogramStats,
    Reading,
    Report,
    derive_health,
)
from koo.testing import FakeClock

from ..tools import FAILED, breaker, calls, trip

GOOD, BAD = CheckStats(ok=True, at=1.0), CheckStats(ok=False, at=1.0, error="refused")
OUTLIVED = CheckStats(ok=False, at=1.0, success_since=True)


def closed(successes=0, failures=0, **config):
    gate = breaker(FakeClock(), **config)
    calls(gate, successes)
    calls(gate, failures, FAILED)
    return gate.stats()


def opened():
    gate = breaker(FakeClock())
    trip(gate)
    return gate.stats()


def half_open():
    gate = breaker(FakeClock())
    trip(gate)
    gate.half_open()
    return gate.stats()


@pytest.mark.parametrize(
    ("stats", "check", "flags", "health"),
    [
        (closed(), None, {}, Health.HEALTHY),
        (closed(100), GOOD, {}, Health.HEALTHY),
        (closed(0, 2), None, {}, Health.HEALTHY),
        (closed(0, 3), None, {}, Health.UNHEALTHY),
        (closed(9, 3), None, {}, Health.UNHEALTHY),
        (closed(10, 3), None, {}, Health.HEALTHY),
        (closed(0, 1, failure_threshold=2), None, {}, Health.UNHEALTHY),
        (closed(0, 1, failure_threshold=3), None, {}, Health.HEALTHY),
        (closed(3, 2, failure_threshold=4), None, {}, Health.UNHEALTHY),
        (closed(), BAD, {}, Health.UNHEALTHY),
        (closed(), OUTLIVED, {}, Health.HEALTHY),
        (closed(0, 3), BAD, {"limited": True}, Health.RATE_LIMITED),
        (half_open(), BAD, {"limited": True}, Health.DEGRADED),
        (opened(), BAD, {"limited": True}, Health.CIRCUIT_OPEN),
        (opened(), BAD, {"limited": True, "maintenance": True}, Health.MAINTENANCE),
        (closed(), None, {"maintenance": True}, Health.MAINTENANCE),
    ],
)
def test_the_first_that_holds_is_the_state(stats, check, flags, health):
    assert derive_health(stats, check, **flags) is health


def test_the_states_are_called_as_documented():
    assert {str(health) for health in Health} == {
        "healthy",
        "unhealthy",
        "circuit_open",
        "degraded",
        "rate_limited",
        "maintenance",
    }


def report():
    histogram = Histogram()
    histogram.record(0.5)
    return Report(
        component="ai:claude",
        kind="ai",
        state=Health.HEALTHY,
        readings=(
            Reading("requests_total", 7),
            Reading("errors_total", 2, labels=(("kind", "timeout"),)),
            Reading("limit.used", 3, 60, (("window", "minute"), ("weight", "requests"))),
        ),
        distributions=(Distribution("response_time", histogram.stats(), (("route", "a"),)),),
    )


def test_a_reading_is_found_by_its_name_and_exactly_its_labels():
    assert report().value("requests_total") == 7
    assert report().value("errors_total", kind="timeout") == 2
    assert report().value("errors_total") is None
    assert report().value("errors_total", kind="other") is None
    assert report().value("nothing") is None


def test_the_order_of_labels_does_not_matter():
    reading = report().reading("limit.used", weight="requests", window="minute")
    assert (reading.value, reading.limit) == (3, 60)


def test_a_distribution_is_found_likewise_and_is_empty_if_nothing_was_recorded():
    assert report().distribution("response_time", route="a").count == 1
    assert report().distribution("response_time") == HistogramStats()
    assert report().distribution("nothing") == HistogramStats()


def test_a_report_without_details_has_none_and_they_can_not_be_added():
    details = report().details
    assert dict(details) == {}
    with pytest.raises(TypeError):
        details["more"] = 1
