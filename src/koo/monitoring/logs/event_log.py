"""The listener that logs: each event once, redacted, and never more than a log bears."""

from __future__ import annotations

import logging
from typing import Final

from ...resilience import SYSTEM_CLOCK, Clock, Event
from ..alerts import AlertEvent
from ..correlation import REQUEST_ID
from ..redaction import Redact, redact
from .throttle import Key, Throttle
from .words import Line, line_of, line_of_alert

__all__ = ["EventLog"]

_BURST: Final = 10
_SPAN: Final = 10.0


class EventLog:
    """Says to *logger* what happens, in one line each.

    What calls cause (refusals, retries, giving up, pauses, connections) is told *burst*
    times in *span* seconds for each component and kind, then counted, and the count told.
    Transitions, checks, alerts and what people do are always told. A record carries
    ``component``, ``event``, ``request_id`` and ``fields``, a dict.
    """

    def __init__(
        self,
        logger: logging.Logger,
        *,
        redact: Redact = redact,
        burst: int = _BURST,
        span: float = _SPAN,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._logger = logger
        self._redact = redact
        self._throttle = Throttle(burst, span)
        self._span = span
        self._clock = clock
        # Without a handler of the program's, Python would write warnings to its stderr.
        logger.addHandler(logging.NullHandler())

    def record(self, event: Event) -> None:
        """Tell *event*; a listener."""
        self._tell(line_of(event))

    def record_alert(self, event: AlertEvent) -> None:
        """Tell that an alert is pending, firing or resolved."""
        self._tell(line_of_alert(event))

    def flush(self) -> None:
        """Tell what was held back, as far as nothing more can come to it."""
        for key, held in self._throttle.held_back(self._clock.monotonic()):
            message = f"{key.component}: {held:,} more of {key.event} in {self._span:g} s, not told"
            self._say(Line(key.level, key.component, key.event, message, {"held_back": held}))

    def _tell(self, line: Line) -> None:
        if not self._logger.isEnabledFor(line.level):
            return
        self.flush()
        key = Key(line.component, line.event, line.level)
        if line.may_drown and not self._throttle.passes(key, self._clock.monotonic()):
            return
        self._say(line)

    def _say(self, line: Line) -> None:
        extra = {
            "component": line.component,
            "event": line.event,
            "request_id": REQUEST_ID.get(),
            "fields": {name: self._safe(value) for name, value in line.fields.items()},
        }
        self._logger.log(line.level, "%s", _one_line(self._redact(line.message)), extra=extra)

    def _safe(self, value: object) -> object:
        return _one_line(self._redact(value)) if isinstance(value, str) else value


def _one_line(text: str) -> str:
    """*text* without what could forge a line of the log, or steer the terminal that shows it."""
    return "".join(c if c.isprintable() else " " for c in text)
