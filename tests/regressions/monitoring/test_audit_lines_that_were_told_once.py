"""Of several actions that the audit does not have, only the first was told to who looks.

It was told as a failed check of a component called audit, which there is not.
"""

from koo.monitoring import EventCounts, Journal, Monitor
from koo.monitoring.metrics import PROMETHEUS
from koo.resilience import AuditLineLost


def test_each_line_that_is_missing_is_told_and_counted():
    journal, counts = Journal(), EventCounts()
    for action in ("half-opened", "circuit reset"):
        event = AuditLineLost("database", action, "the disk of state.db is full")
        journal.record(event)
        counts.record(event)
    assert [(entry.component, entry.what) for entry in journal.entries()] == [
        ("database", "not in the audit: circuit reset"),
        ("database", "not in the audit: half-opened"),
    ]
    text = PROMETHEUS.write(Monitor([], counts=counts).metrics())
    assert 'koo_audit_lines_lost_total{component="database"} 2' in text
    assert "koo_checks_total{" not in text
