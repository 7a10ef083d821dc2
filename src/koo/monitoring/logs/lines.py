"""Log records as lines: for people, or for machines as one JSON object each.

Both redact the whole line, a traceback included: what others log passes here too.
"""

from __future__ import annotations

import json
import logging
from typing import Final

from ..correlation import REQUEST_ID
from ..redaction import Redact, redact, redacted_value
from ..views import moment

__all__ = ["JSONLines", "TextLines"]

_OURS: Final = ("component", "event")


class TextLines(logging.Formatter):
    """``LEVEL time logger: message``, and the request if there is one."""

    def __init__(self, redact: Redact = redact) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """The line, and below it the traceback, if there is one."""
        when, request = moment(record.created), _request_of(record)
        tail = f" (request {request})" if request else ""
        line = f"{record.levelname:8} {when} {record.name}: {_message_of(record)}{tail}"
        traceback = _traceback(self, record)
        return self._redact(f"{line}\n{traceback}" if traceback else line)


class JSONLines(logging.Formatter):
    """One JSON object a line: at, level, logger, message, and the fields of an event."""

    def __init__(self, redact: Redact = redact) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """The object, on one line."""
        said: dict[str, object] = {
            "at": moment(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message_of(record),
        }
        for name in _OURS:
            if (value := getattr(record, name, None)) is not None:
                said[name] = value
        if request := _request_of(record):
            said["request_id"] = request
        if fields := getattr(record, "fields", None):
            said["fields"] = fields
        if traceback := _traceback(self, record):
            said["traceback"] = traceback
        return json.dumps(redacted_value(said, self._redact), default=self._word)

    def _word(self, value: object) -> str:
        """What JSON has no form for, such as an exception, in words."""
        return self._redact(str(value))


def _message_of(record: logging.LogRecord) -> str:
    """What was said; of what does not fit together, the pattern without its arguments.

    Python would write such a record to the standard error, arguments and all.
    """
    try:
        return record.getMessage()
    except Exception as error:  # noqa: BLE001 - whatever the arguments raise
        return f"{record.msg!s} (not formatted: {type(error).__name__})"


def _request_of(record: logging.LogRecord) -> str | None:
    """The request in which it was said; of what others log, the one that is served now."""
    return getattr(record, "request_id", None) or REQUEST_ID.get()


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    if not record.exc_info:
        return record.exc_text or ""
    return formatter.formatException(record.exc_info)
