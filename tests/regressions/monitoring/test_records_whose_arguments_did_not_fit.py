"""A log record that can't be put together is told without its arguments.

Python wrote it to the standard error by itself, with the arguments and past all redaction.
"""

import io
import logging

import pytest

from koo.monitoring.logs import JSONLines, TextLines

SECRET = "what-nobody-may-see"


@pytest.mark.parametrize("form", [TextLines, JSONLines])
def test_the_pattern_is_told_and_nothing_goes_past_the_formatter(form, capfd):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(form())
    handler.handle(
        logging.LogRecord("theirs", logging.ERROR, "f", 1, "%d tokens of %s", (SECRET,), None)
    )
    assert "%d tokens of %s (not formatted: TypeError)" in stream.getvalue()
    assert SECRET not in stream.getvalue() + "".join(capfd.readouterr())
