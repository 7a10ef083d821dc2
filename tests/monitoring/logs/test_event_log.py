"""The log says each thing once, redacted, on one line, and never more than a log bears."""

import io
import json
import logging

import pytest

from koo.errors import RateLimitError
from koo.monitoring import REQUEST_ID, Alert, AlertEvent, AlertState, Severity
from koo.monitoring.logs import EventLog, JSONLines, TextLines
from koo.resilience import (
    AuditLineLost,
    CallRejected,
    ConfigurationChanged,
    ConnectionEvent,
    GaveUp,
    HealthChecked,
    LimitPaused,
    LimitReached,
    ModeChanged,
    OperatorAction,
    PaceChanged,
    PoolChanged,
    RetryScheduled,
    SchemaChanged,
    StateChanged,
    StateRenewed,
)
from koo.testing import FakeClock

CANARY = "Zq9-canary-in-a-coal-mine"
REFUSED = CallRejected("database", "database", "circuit open", 1.0)
ERROR = RateLimitError("claude", f"try later; password={CANARY}", request_id="req_7")
ALERT = Alert(
    id="database:circuit-open", severity=Severity.CRITICAL, component="database", title="T",
    message="database: circuit open since then; do this", cause="refused",
    state=AlertState.FIRING, since=0.0, runbook="r",
)  # fmt: skip


class Written:
    """A logger of its own, and the lines that came out of it."""

    def __init__(self, form=TextLines, level=logging.DEBUG):
        self.clock = FakeClock()
        self.logger = logging.Logger("koo.events", level)  # noqa: LOG001 - nobody else shall have it
        self.stream = io.StringIO()
        handler = logging.StreamHandler(self.stream)
        handler.setFormatter(form())
        self.logger.addHandler(handler)
        self.log = EventLog(self.logger, burst=3, span=10.0, clock=self.clock)

    @property
    def lines(self):
        return self.stream.getvalue().splitlines()

    @property
    def said(self):
        """The messages, without what stands before them."""
        return [line.partition("koo.events: ")[2] for line in self.lines]

    @property
    def objects(self):
        return [json.loads(line) for line in self.lines]


EVENTS = {
    "database: refused by database; circuit open": REFUSED,
    "ai:claude: attempt 1 failed, next in 0.50 s; RateLimitError":
        RetryScheduled("ai:claude", 1, 0.5, ERROR),
    "ai:claude: gave up after 3 attempts; RateLimitError": GaveUp("ai:claude", 3, ERROR),
    "ai:claude: gave up after 1 attempt; RateLimitError": GaveUp("ai:claude", 1, ERROR),
    "database: circuit open, it was closed; 5 of 5 failed":
        StateChanged("database", "closed", "open", "5 of 5 failed"),
    "ai:claude: circuit isolated, it was normal; the key is refused":
        ModeChanged("ai:claude", "normal", "isolated", "the key is refused"),
    "ai:claude: circuit still open; the probe failed":
        StateRenewed("ai:claude", "open", "the probe failed"),
    "ai:claude: paused for 20.0 s, as the service asks": LimitPaused("ai:claude", 20),
    "ai:claude: 0 of 60 requests are left at the service; calls wait for up to 20.0 s":
        LimitReached("ai:claude", "0 of 60 requests are left at the service", 20.0),
    "ai:claude: 48.0 calls a minute from now on; the traffic grew too fast":
        PaceChanged("ai:claude", 48.0, "the traffic grew too fast"),
    "ai:claude: calls go as they come again; nothing was refused lately":
        PaceChanged("ai:claude", None, "nothing was refused lately"),
    "database: check failed; refused": HealthChecked("database", False, "refused", 0.1),
    "database: check answered": HealthChecked("database", True, None, 0.1),
    "database: connection closed; aged": ConnectionEvent("database", "closed", "aged"),
    "system: settings changed since the last start; A, B":
        ConfigurationChanged("system", ("A", "B")),
    "database: table koo.commit_tokens made":
        SchemaChanged("database", "table koo.commit_tokens made"),
    "database: pool paused, it was open; pause()":
        PoolChanged("database", "open", "paused", "pause()"),
    "database: circuit reset by page; server is back":
        OperatorAction("database", "circuit reset", "server is back", "page", "a", "b"),
    "database: checked by page; no reason given":
        OperatorAction("database", "checked", None, "page"),
    "database: half-opened is not in the audit; the disk is full":
        AuditLineLost("database", "half-opened", "the disk is full"),
}  # fmt: skip


@pytest.mark.parametrize(("line", "event"), EVENTS.items(), ids=EVENTS)
def test_each_event_is_one_line(line, event):
    written = Written()
    written.log.record(event)
    assert written.said == [line]


def test_an_alert_is_one_line_that_names_it():
    written = Written()
    written.log.record_alert(AlertEvent(ALERT, 0.0))
    assert written.said == [
        "database:circuit-open: alert firing, critical; database: circuit open since then; do this"
    ]


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_as_json_it_is_one_object_with_its_component(event):
    written = Written(JSONLines)
    written.log.record(event)
    [said] = written.objects
    assert said["component"] == event.component
    assert said["logger"] == "koo.events"
    assert said["event"]
    assert said["fields"]


def test_the_error_of_a_retry_is_its_class_its_kind_and_the_vendors_id_and_not_its_words():
    written = Written(JSONLines)
    written.log.record(RetryScheduled("ai:claude", 1, 0.5, ERROR))
    [said] = written.objects
    assert said["fields"] == {
        "attempt": 1, "delay": 0.5, "error": "RateLimitError", "kind": "rate_limit",
        "upstream_request_id": "req_7",
    }  # fmt: skip
    assert CANARY not in written.lines[0]


@pytest.mark.parametrize("form", [TextLines, JSONLines])
def test_a_line_names_the_request_in_which_it_was_said(form):
    written = Written(form)
    token = REQUEST_ID.set("req-42")
    try:
        written.log.record(REFUSED)
    finally:
        REQUEST_ID.reset(token)
    written.log.record(REFUSED)
    assert ["req-42" in line for line in written.lines] == [True, False]


@pytest.mark.parametrize("form", [TextLines, JSONLines])
def test_no_secret_and_no_second_line_gets_in(form):
    written = Written(form)
    cause = f"password={CANARY}\nERROR forged \x1b[31m"
    written.log.record(StateChanged("database", "closed", "open", cause))
    written.log.record(OperatorAction("database", "reset", cause, "page"))
    assert len(written.lines) == 2
    assert CANARY not in written.stream.getvalue()
    assert "\x1b" not in written.stream.getvalue()


@pytest.mark.parametrize("form", [TextLines, JSONLines])
def test_what_others_log_is_redacted_with_its_traceback(form):
    written = Written(form)

    def fail():
        raise RuntimeError(f"https://u:{CANARY}@h")

    try:
        fail()
    except RuntimeError:
        written.logger.exception("failed with Bearer %s", CANARY)
    text = written.stream.getvalue()
    assert CANARY not in text
    assert "RuntimeError" in text


def test_a_record_that_brings_only_the_text_of_its_traceback_tells_it():
    record = logging.LogRecord("x", logging.ERROR, "f", 1, "m", (), None)
    record.exc_text = f"Traceback: password={CANARY}"
    assert TextLines().format(record).endswith("\nTraceback: password=***")


def test_fields_of_every_shape_are_redacted():
    record = logging.LogRecord("x", logging.ERROR, "f", 1, "m", (), None)
    record.fields = {"list": [f"pwd={CANARY}"], "tuple": (f"pwd={CANARY}",), "number": 7}
    line = JSONLines().format(record)
    assert CANARY not in line
    assert json.loads(line)["fields"]["number"] == 7


def test_of_a_flood_a_few_lines_are_told_and_then_how_many_more():
    written = Written()
    for _ in range(1000):
        written.log.record(REFUSED)
    assert len(written.lines) == 3
    written.clock.advance(10.1)
    written.log.record(REFUSED)
    assert written.said[3:] == [
        "database: 997 more of refusal in 10 s, not told",
        "database: refused by database; circuit open",
    ]


def test_the_flood_of_one_component_silences_nobody_else():
    written = Written()
    for _ in range(10):
        written.log.record(REFUSED)
    written.log.record(CallRejected("ai:claude", "ai:claude", "circuit open", 1.0))
    written.log.record(RetryScheduled("database", 1, 0.5, ERROR))
    assert len(written.lines) == 5


def test_what_changes_something_is_never_held_back():
    written = Written()
    for number in range(100):
        written.log.record(OperatorAction("database", f"reset {number}", None, "page"))
        written.log.record(StateChanged("database", "closed", "open", "x"))
        written.log.record_alert(AlertEvent(ALERT, 0.0))
    assert len(written.lines) == 300


def test_at_the_end_what_was_held_back_is_told():
    written = Written()
    for _ in range(5):
        written.log.record(REFUSED)
    written.clock.advance(11)
    written.log.flush()
    written.log.flush()
    assert written.said[3:] == ["database: 2 more of refusal in 10 s, not told"]


def test_a_span_in_which_nothing_was_held_back_ends_in_silence():
    written = Written()
    written.log.record(REFUSED)
    written.clock.advance(11)
    written.log.flush()
    assert len(written.lines) == 1


def test_an_error_without_an_id_of_the_other_side_names_none():
    written = Written(JSONLines)
    written.log.record(GaveUp("database", 3, OSError()))
    assert written.objects[0]["fields"] == {"attempts": 3, "error": "OSError"}


def test_a_level_that_is_not_wanted_costs_nothing_and_counts_nothing():
    written = Written(level=logging.WARNING)
    for _ in range(100):
        written.log.record(REFUSED)
    written.clock.advance(11)
    written.log.flush()
    assert written.lines == []


def test_ten_thousand_components_are_not_remembered_for_ever():
    written = Written()
    for number in range(10_000):
        written.log.record(CallRejected(f"made-up-{number}", "g", "circuit open", 1.0))
    assert len(written.log._throttle._spans) == 1000


def test_without_a_handler_nothing_is_written_to_the_standard_error(capfd):
    logger = logging.getLogger("koo.test.quiet")
    logger.propagate = False
    EventLog(logger).record(StateChanged("database", "closed", "open", "x"))
    assert capfd.readouterr().err == ""
