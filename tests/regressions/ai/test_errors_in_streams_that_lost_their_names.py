"""Gateways drop the name of an event; an error is one without it."""

import json

import pytest

from koo.ai import Heard
from koo.ai.providers import Anthropic, Responses
from koo.ai.providers.events import ErrorInside, Listener

FLAT = {"type": "error", "code": "insufficient_quota", "message": "x", "param": None}
FRAMED = {"type": "error", "error": {"type": "rate_limit_error", "message": "x"}}


@pytest.mark.parametrize(("wire", "document"), [(Responses, FLAT), (Anthropic, FRAMED)])
@pytest.mark.parametrize("name", ["", "event: error\n", "event: message\n"])
def test_an_error_without_the_name_of_its_event_was_a_truncation(wire, document, name):
    event = f"{name}data: {json.dumps(document)}\n\n".encode()
    with pytest.raises(ErrorInside) as caught:
        list(Listener(wire(), Heard()).hear(event))
    assert caught.value.document == document
    assert not caught.value.has_begun
