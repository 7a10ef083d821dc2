"""What the log says of alerts."""

from core.events import log_alert
from koo.monitoring import Alert, AlertEvent, AlertState, Severity


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
