"""What the log says of alerts, and of what koo makes in a database."""

import logging

from core.events import log_alert, log_event
from koo.monitoring import Alert, AlertEvent, AlertState, Severity
from koo.resilience import SchemaChanged


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


def test_a_table_that_was_made_is_one_line(caplog):
    with caplog.at_level(logging.INFO, "koo.events"):
        log_event(SchemaChanged("database", "table koo.commit_tokens made"))
    assert caplog.messages == ["database: table koo.commit_tokens made"]
