"""One component whose report raised ended the watch for good, and every look with it."""

import asyncio

import pytest

from koo.monitoring import Monitor
from koo.monitoring.metrics import PROMETHEUS
from koo.resilience import LISTENER_ERRORS, Health, Reading, Report
from koo.testing import running_clock


class Component:
    """One that is well until its report raises."""

    def __init__(self, name):
        self.name = name
        self.error = None

    def report(self):
        if self.error:
            raise self.error
        return Report(component=self.name, kind="letters", state=Health.HEALTHY)


def report_with(**odd):
    """A report with something in it that is none of its kind."""
    return Report(**{"component": "letters", "kind": "letters", "state": Health.HEALTHY} | odd)


@pytest.mark.parametrize("name", ["database", "ai:claude", "letters"])
def test_what_raises_is_unhealthy_and_hides_nobody(name):
    ill, other = Component(name), Component("other")
    ill.error = TypeError("pw-of-somebody")
    monitor = Monitor([ill, other])
    first, second = monitor.reports()
    assert (first.component, first.state) == (name, Health.UNHEALTHY)
    assert first.cause == "its report can't be had; TypeError"
    assert (second.component, second.state) == ("other", Health.HEALTHY)
    text = PROMETHEUS.write(monitor.metrics())
    assert f'koo_health{{component="{name}",state="unhealthy"}} 1' in text
    assert 'koo_health{component="other",state="healthy"} 1' in text
    assert monitor.dashboard().summary.overall_health != "healthy"
    assert "pw-of-somebody" not in repr((monitor.dashboard(), monitor.health_document()))


@pytest.mark.parametrize("name", ["database", "ai:claude", "letters"])
def test_what_raises_is_an_alert(name):
    ill = Component(name)
    ill.error = TypeError()
    [alert] = Monitor([ill]).alerts()
    assert (alert.id, alert.cause) == (f"{name}:unhealthy", "its report can't be had; TypeError")


@pytest.mark.parametrize(
    "given",
    [
        None,
        "well",
        report_with(state="healthy"),
        report_with(cause=ValueError("pw-of-somebody")),
        report_with(since="yesterday"),
        report_with(breaker="closed"),
        report_with(check=True),
        report_with(details=None),
        report_with(readings=(Reading("kept", None),)),
        report_with(readings=(Reading("kept", "7"),)),
    ],
    ids=repr,
)
def test_what_is_no_report_ends_no_look_and_hides_nobody(given):
    ill, other = Component("letters"), Component("other")
    ill.report = lambda: given
    monitor = Monitor([ill, other])
    [alert] = monitor.observe()
    assert alert.id == "letters:unhealthy"
    assert alert.cause.startswith("its report can't be had; ")
    shown = repr((monitor.dashboard(), monitor.system_health(), monitor.health_document()))
    assert "pw-of-somebody" not in shown
    assert 'component="other",state="healthy"} 1' in PROMETHEUS.write(monitor.metrics())


async def test_a_watch_outlasts_what_it_can_not_judge_and_does_not_say_that_it_watches(monkeypatch):
    clock, well = running_clock(), Component("letters")
    monitor = Monitor([well], clock=clock)
    watching = asyncio.create_task(monitor.watch())
    await asyncio.sleep(1)
    assert monitor.heartbeat()
    before = LISTENER_ERRORS.value
    with monkeypatch.context() as broken:
        broken.setattr(monitor.journal, "notices", lambda: None)
        await asyncio.sleep(20)
    assert LISTENER_ERRORS.value > before
    assert monitor.heartbeat() == ()
    await asyncio.sleep(2)
    assert [alert.id for alert in monitor.heartbeat()] == ["system:watchdog"]
    watching.cancel()
