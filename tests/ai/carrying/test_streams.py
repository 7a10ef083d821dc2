"""Calls that come in a stream: whole only with the vendor's last word, however slowly they come."""

import json

import pytest

from koo.ai import Completion, Heard, ToolCall, Usage
from koo.ai.providers.events import CutOff, Listener
from koo.errors import ServiceTimeoutError
from koo.resilience import RetryConfig
from koo.testing import ScriptedProvider, running_clock
from koo.testing.simulator.dialects import DIALECTS, Asked, Call, Reply

from ..events.test_listening import WIRES, Connection
from ..streaming.conftest import read

CALLERS = [name for name in WIRES if name != "perplexity"]
ARGUMENTS = {"place": "Z\u00fcrich", "days": 1}
REPLY = Reply("req_1", "m", "", 11, 7, 0.0, calls=(Call("c1", "get_weather", ARGUMENTS),))
ASKED = Asked("m", "Why?", 99, streams=True, wants_usage=True)
CALL = ToolCall("c1", "get_weather", json.dumps(ARGUMENTS))
#: What says that an answer is whole.
LAST_WORDS = {
    "claude": b'{"type": "message_stop"}\n\n',
    "openai": b'"finish_reason": "tool_calls"}]}\n\n',
    "gemini": b'"finishReason": "STOP"',
    "openai-responses": b'"type": "response.completed"',
}


def stream_of(name):
    return b"".join(DIALECTS[name]().events(REPLY, ASKED))


async def listen(name, connection):
    listener, pieces = Listener(WIRES[name], heard := Heard()), []
    while chunk := await listener.chunk(connection):
        pieces += listener.hear(chunk)
    assert heard.pieces == []
    hearing = listener.hearing
    return pieces, hearing, list(WIRES[name].parts(WIRES[name].whole(hearing)))


@pytest.mark.parametrize("name", CALLERS)
async def test_a_call_cut_at_any_byte_is_whole_only_with_the_last_word(name):
    stream = stream_of(name)
    needed = stream.index(b"\n\n", stream.index(LAST_WORDS[name])) + 2
    for place in range(len(stream) + 1):
        connection = Connection(*filter(None, [stream[:place]]))
        if place < needed:
            with pytest.raises(CutOff):
                await listen(name, connection)
            continue
        pieces, _, parts = await listen(name, connection)
        assert set(pieces) == {""}
        [call] = filter(None, parts)
        assert (call.id, call.name) == ("c1", "get_weather")
        assert json.loads(call.arguments) == ARGUMENTS


@pytest.mark.parametrize("name", CALLERS)
async def test_a_call_split_at_any_byte_is_the_same(name):
    stream = stream_of(name)
    whole = await listen(name, Connection(stream))
    for place in range(1, len(stream)):
        assert await listen(name, Connection(stream[:place], stream[place:])) == whole


@pytest.mark.parametrize("name", CALLERS)
def test_a_call_that_has_begun_has_cost_a_token_at_least(name):
    listener = Listener(WIRES[name], heard := Heard())
    for event in DIALECTS[name]().events(REPLY, ASKED):
        if "" in list(listener.hear(event)):
            assert heard.at_least is not None
            return
    pytest.fail("no piece of a call was told")


def test_a_ping_is_no_piece_of_a_call():
    listener = Listener(WIRES["claude"], Heard())
    block = {"type": "tool_use", "id": "c", "name": "f", "input": {}}
    begun = {"type": "content_block_start", "index": 0, "content_block": block}
    told = [list(listener.hear(_sse(event))) for event in (begun, {"type": "ping"}, begun)]
    assert told == [[""], [], [""]]


def _sse(document):
    return f"data: {json.dumps(document)}\n\n".encode()


class Slow(ScriptedProvider):
    """A call whose pieces come *every* so many seconds."""

    def __init__(self, every, pieces):
        super().__init__()
        self._every, self._pieces = every, pieces

    async def stream(self, request, heard):
        self.requests.append(request)
        for _ in range(self._pieces):
            await running_clock().sleep(self._every)
            yield ""
        yield Completion("", "m", "tool_use", Usage(1, 1), parts=(CALL,))


async def test_a_call_may_take_longer_than_the_first_text_may(serve):
    provider = Slow(20, 5)
    stream = serve(provider, attempt_timeout=30.0, timeout=200.0).stream("?")
    assert await read(stream) == ([], None)
    assert stream.completion.calls == (CALL,)
    assert running_clock().monotonic() == pytest.approx(100)


async def test_a_call_that_falls_silent_ends_in_time(serve):
    quick = RetryConfig(max_retries=0)
    service = serve(
        Slow(40, 5), attempt_timeout=50.0, idle_timeout=30.0, timeout=200.0, retry=quick
    )
    stream = service.stream("?")
    _, error = await read(stream)
    assert isinstance(error, ServiceTimeoutError)
    assert (error.partial, stream.completion) == ("", None)
    assert running_clock().monotonic() == pytest.approx(70)
