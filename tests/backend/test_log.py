"""What the log says of alerts and events."""

import pytest

from core.events import log_alert, log_event
from koo.monitoring import Alert, AlertEvent, AlertState, Severity
from koo.resilience import LimitReached, PaceChanged


def test_an_alert_is_one_line_that_names_it(caplog):
    alert = Alert(
        id="database:circuit-open", severity=Severity.CRITICAL, component="database", title="T",
        message="database: circuit open since then; do this", cause="refused",
        state=AlertState.FIRING, since=0.0, runbook="r",
    )  # fmt: skip
    log_alert(AlertEvent(alert, 0.0))
    assert caplog.messages == [
        "database:circuit-open: alert firing, critical; database: circuit open since then; do this"
    ]


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (
            LimitReached("ai:claude", "0 of 60 requests are left at the service", 20.0),
            "ai:claude: 0 of 60 requests are left at the service; calls wait for up to 20.0 s",
        ),
        (
            PaceChanged("ai:claude", 48.0, "the traffic grew too fast"),
            "ai:claude: 48.0 calls a minute from now on; the traffic grew too fast",
        ),
        (
            PaceChanged("ai:claude", None, "nothing was refused lately"),
            "ai:claude: calls go as they come again; nothing was refused lately",
        ),
    ],
)
def test_what_holds_calls_back_is_one_line(caplog, event, line):
    with caplog.at_level("INFO", "koo.events"):
        log_event(event)
    assert caplog.messages == [line]
