"""One reading with a name, a label or a value of its own kind cost Prometheus the whole scrape."""

import json

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open
from prometheus_client.parser import text_string_to_metric_families as read_text

from koo.monitoring import Monitor
from koo.monitoring.metrics import JSON, OPEN_METRICS, PROMETHEUS
from koo.resilience import Distribution, Health, Histogram, Reading, Report

READINGS = (
    Reading("queue depth/m\u00b3", 3),
    Reading("paused", True),
    Reading("by.kind", 0.5, None, (("the-kind", "x"), ("2nd", "y"))),
    Reading("own", float("inf"), None, (("component", "another"),)),
)


class Letters:
    name = "letters"

    def report(self):
        return Report(
            component="letters", kind="mail box", state=Health.HEALTHY, readings=READINGS,
            distributions=(Distribution("wait-time", Histogram().stats(), (("a b", "c"),)),),
        )  # fmt: skip


@pytest.mark.parametrize(("form", "read"), [(PROMETHEUS, read_text), (OPEN_METRICS, read_open)])
def test_whatever_a_component_counts_can_be_read(form, read):
    families = read(form.write(Monitor([Letters()]).metrics()))
    told = {one.name: one for family in families for one in family.samples}
    assert told["koo_mail_box_queue_depth_m_"].value == 3
    assert told["koo_mail_box_paused"].value == 1
    labels = {"component": "letters", "the_kind": "x", "_2nd": "y"}
    assert told["koo_mail_box_by_kind"].labels == labels
    assert told["koo_mail_box_own"].labels == {"component": "letters"}
    assert told["koo_mail_box_own"].value == float("inf")
    assert told["koo_mail_box_wait_time_seconds_count"].labels["a_b"] == "c"


def test_what_is_no_number_in_json_is_null():
    def refuse(word):
        raise AssertionError(word)

    told = json.loads(JSON.write(Monitor([Letters()]).metrics()), parse_constant=refuse)
    families = {family["name"]: family for family in told["families"]}
    [point] = families["koo_mail_box_own"]["points"]
    assert point["value"] is None
    assert families["koo_mail_box_paused"]["points"][0]["value"] == 1
