"""Servers that count every call of a stream as the first had all of them made into one.

And an empty id or name in a later piece took the place of the true one.
"""

import pytest

from koo.ai import Heard
from koo.ai.providers import Compatible
from koo.ai.providers.events import Listener

from ...ai.vendor import events

BERN, ROME = '{"p":"Bern"}', '{"p":"Rome"}'


def piece(arguments, name="w", **told):
    return {"type": "function", "function": {"name": name, "arguments": arguments}, **told}


def calls_of(*chunks):
    """The calls that *chunks* of pieces come to, as id, name and arguments."""
    wire = Compatible()
    listener = Listener(wire, Heard())
    told = [{"choices": [{"index": 0, "delta": {"tool_calls": chunk}}]} for chunk in chunks]
    list(listener.hear(events(told)))
    parts = wire.parts(wire.whole(listener.hearing))
    return [(one.id, one.name, one.arguments) for one in parts if one]


BOTH = [("call_1", "w", BERN), ("call_2", "w", ROME)]


@pytest.mark.parametrize("places", [(0, 0), (None, None), (0, 1), (7, 7), (1, 0)])
@pytest.mark.parametrize("at_once", [True, False])
def test_calls_with_ids_of_their_own_are_several(places, at_once):
    told = [
        piece(arguments, id=name, **({} if place is None else {"index": place}))
        for (name, _, arguments), place in zip(BOTH, places, strict=True)
    ]
    chunks = [told] if at_once else [[one] for one in told]
    assert sorted(calls_of(*chunks)) == BOTH


def test_pieces_without_an_id_go_on_with_the_call_that_was_told_last():
    told = [
        piece('{"p"', id="call_1", index=0),
        piece(':"Bern"}', index=0),
        piece('{"p"', id="call_2", index=0),
        piece(':"Rome"}', index=0),
    ]
    assert calls_of(*([one] for one in told)) == BOTH


def test_pieces_that_repeat_their_id_go_on_with_their_call():
    told = [
        piece('{"p"', id="call_1", index=0),
        piece('{"p"', id="call_2", index=0),
        piece(':"Bern"}', id="call_1", index=0),
        piece(":", index=0, id="call_2"),
        piece('"Rome"}', index=0),
    ]
    assert calls_of(*([one] for one in told)) == BOTH


@pytest.mark.parametrize("nothing", ["", None])
def test_an_empty_id_or_name_in_a_later_piece_says_nothing(nothing):
    told = [
        piece("", id="call_1", index=0),
        piece(BERN, name=nothing, id=nothing, index=0),
    ]
    assert calls_of(*([one] for one in told)) == BOTH[:1]
