"""What JSON has no form for went past the redaction into the log."""

import json
import logging

from koo.monitoring.logs import JSONLines


def test_an_exception_among_the_fields_is_redacted():
    record = logging.LogRecord("theirs", logging.INFO, "f.py", 1, "m", (), None)
    record.fields = {"error": ValueError("password=hunter2-is-it"), "at": [object]}
    fields = json.loads(JSONLines().format(record))["fields"]
    assert fields == {"error": "password=***", "at": ["<class 'object'>"]}
