"""The events of a stream are the same however its bytes were cut, and take bounded memory."""

import itertools
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koo.ai.providers.events import Event, EventReader, EventTooLarge

TEXT = (
    b": a comment\n\n"
    b'event: message_start\ndata: {"text": "\xc3\xa4\xf0\x9f\x98\x80"}\n\n'
    b"data:no space\r\ndata:  two spaces\r\n\r\n"
    b"id: 7\nretry: 9\nnonsense\ndata\n\n"
    b"event: without data\n\n"
    b"data: old mac\r\r"
    b"data: [DONE]\n\n"
)  # fmt: skip
EVENTS = [
    Event("message_start", '{"text": "ä\U0001f600"}'.encode()),
    Event("", b"no space\n two spaces"),
    Event("", b""),
    Event("", b"old mac"),
    Event("", b"[DONE]"),
]


def read(chunks):
    reader = EventReader()
    return [event for chunk in chunks for event in reader.feed(chunk)]


def test_a_stream_in_one_piece():
    assert read([TEXT]) == EVENTS


@pytest.mark.parametrize("place", range(len(TEXT) + 1))
def test_a_stream_split_at_any_byte(place):
    assert read([TEXT[:place], TEXT[place:]]) == EVENTS


def test_a_stream_byte_by_byte_with_nothing_between():
    assert read(part for byte in TEXT for part in (bytes([byte]), b"")) == EVENTS


@given(st.lists(st.integers(0, len(TEXT)), max_size=20))
def test_a_stream_in_any_pieces(cuts):
    places = [0, *sorted(cuts), len(TEXT)]
    assert read(TEXT[a:b] for a, b in itertools.pairwise(places)) == EVENTS


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@given(lines=st.lists(st.text(st.characters(exclude_characters="\r\n", codec="utf-8"))))
def test_data_comes_out_as_it_went_in(ending, lines):
    text = "".join(f"data: {line}{ending}" for line in lines) + ending
    expected = [Event("", "\n".join(lines).encode())] if lines else []
    assert read([text.encode()]) == expected


def test_an_event_is_told_with_its_last_byte_and_not_before():
    reader = EventReader()
    told = [reader.feed(bytes([byte])) for byte in b"data: x\r\r"]
    assert told == [[]] * 8 + [[Event("", b"x")]]
    assert reader.feed(b"\n") == []


@pytest.mark.parametrize("half", [b"data: x", b"data: x\n", b"data: x\r\n", b": x\n", b"da"])
def test_half_an_event_is_none(half):
    assert read([half]) == []


@pytest.mark.parametrize("cut", range(4))
def test_a_byte_order_mark_at_the_beginning_is_skipped(cut):
    text = b"\xef\xbb\xbfdata: x\n\n"
    assert read([text[:cut], text[cut:]]) == [Event("", b"x")]


def test_a_byte_order_mark_later_is_text():
    assert read([b"data: \xef\xbb\xbf\n\n"]) == [Event("", b"\xef\xbb\xbf")]


@pytest.mark.parametrize("endless", [b"data: " + b"x" * 40, b"data: xx\n", b"x" * 10, b":" * 10])
def test_an_event_or_a_line_without_end_is_refused(endless):
    reader = EventReader(most=1000)
    with pytest.raises(EventTooLarge):
        [reader.feed(endless) for _ in range(1001)]


@pytest.mark.no_cover
def test_comments_without_end_take_no_memory():
    reader = EventReader(most=1000)
    tracemalloc.start()
    try:
        for _ in range(20_000):
            assert reader.feed(b": PROCESSING\n\n") == []
        assert tracemalloc.get_traced_memory()[0] < 10_000
    finally:
        tracemalloc.stop()


def test_many_events_are_not_counted_together():
    reader = EventReader(most=20)
    assert sum(len(reader.feed(b"data: 12345678\n\n")) for _ in range(100)) == 100


def test_a_long_event_byte_by_byte_takes_time_in_proportion():
    """Joined anew at each byte, 200 kB would move 20 GB."""
    reader = EventReader()
    for _ in range(2 * 10**5):
        assert reader.feed(b"x") == []
