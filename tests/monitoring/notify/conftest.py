"""A postbox: alerts stand or do not, and messages come out."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from koo.monitoring import Alert, AlertState, Now, Severity
from koo.monitoring.notify import Book, Mutes, RoutingConfig, decide

START = 1_700_000_000.0


def alert(identity="database:circuit-open", severity=Severity.CRITICAL, since=START):
    component = identity.rpartition(":")[0]
    return Alert(
        id=identity, severity=severity, component=component, title="T", message="m", cause=None,
        state=AlertState.FIRING, since=since, runbook="r",
    )  # fmt: skip


class Postbox:
    """Decides second after second, and keeps what was sent."""

    def __init__(self, mutes=None, book=None, **config):
        self.config = RoutingConfig(**config)
        self.mutes = mutes or Mutes()
        self.book = book or Book()
        self.at, self.sent = 0.0, []

    def stand(self, *alerts, seconds=1):
        """*alerts* stand for so many seconds; the messages that came of it, in short."""
        before = len(self.sent)
        for _ in range(seconds):
            now = Now(self.at, START + self.at)
            self.book, messages = decide(self.config, alerts, self.mutes, self.book, now=now)
            self.sent += [(self.at, message) for message in messages]
            self.at += 1
        return [in_short(at, message) for at, message in self.sent[before:]]


def in_short(at, message):
    marks = [f"+{one.id}" for one in message.firing] + [f"-{one.id}" for one in message.resolved]
    return f"{at:g} {message.group} {' '.join(marks)}"


@pytest.fixture(scope="session")
def post():
    """Everything above."""
    return SimpleNamespace(
        Postbox=Postbox, alert=alert, START=START, Mutes=Mutes, replace=replace, in_short=in_short
    )
