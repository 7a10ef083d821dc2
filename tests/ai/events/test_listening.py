"""Each vendor's stream, heard however it is cut: whole with its last word, never without it."""

import json
from types import SimpleNamespace

import pytest
from aiohttp import ClientPayloadError

from koo.ai import Heard, Usage
from koo.ai.providers import Anthropic, Compatible, Gemini, OpenAI, Perplexity, Responses
from koo.ai.providers.events import LARGEST_ANSWER, CutOff, ErrorInside, Listener, drain
from koo.testing.simulator.dialects import DIALECTS, Asked, Reply

TEXT = "Because the sky is wide, and for no other reason \u00e4\U0001f600 at all."
REPLY = Reply("req_1", "m", TEXT, 11, 7, 0.0)
ASKED = Asked("m", "Why?", 99, streams=True, wants_usage=True)
WIRES = {
    "claude": Anthropic(),
    "openai": OpenAI(),
    "gemini": Gemini(),
    "perplexity": Perplexity(),
    "openai-responses": Responses(),
}
#: What says that a text is whole.
LAST_WORDS = {
    "claude": b'{"type": "message_stop"}\n\n',
    "openai": b'"finish_reason": "stop"}]}\n\n',
    "perplexity": b'"finish_reason": "stop"}]',
    "gemini": b'"finishReason": "STOP"',
    "openai-responses": b'"type": "response.completed"',
}


def stream_of(name):
    return b"".join(DIALECTS[name]().events(REPLY, ASKED))


class Connection:
    """What a listener reads from: chunks, and the error that ends them if there is one."""

    def __init__(self, *chunks, error=None):
        self.content = SimpleNamespace(readany=self.readany)
        self.chunks, self.error = list(chunks), error

    async def readany(self):
        if self.chunks:
            return self.chunks.pop(0)
        if self.error is not None:
            raise self.error
        return b""


async def listen(wire, connection):
    """All pieces, and the listener."""
    listener, pieces = Listener(wire, heard := Heard()), []
    while chunk := await listener.chunk(connection):
        pieces += listener.hear(chunk)
    assert heard.pieces == [piece for piece in pieces if piece]
    return heard.pieces, listener, heard


@pytest.mark.parametrize("name", WIRES)
async def test_a_whole_stream_is_heard_with_its_usage(name):
    pieces, listener, heard = await listen(WIRES[name], Connection(stream_of(name)))
    assert "".join(pieces) == TEXT
    assert len(pieces) > 2
    hearing = listener.hearing
    assert (hearing.is_whole, hearing.refused) == (True, False)
    assert hearing.finish in {"end_turn", "stop", "STOP", "completed"}
    assert (hearing.usage.input_tokens, hearing.usage.output_tokens) == (11, 7)
    assert heard.at_least == hearing.usage


@pytest.mark.parametrize("name", WIRES)
async def test_a_stream_split_at_any_byte_is_the_same(name):
    stream = stream_of(name)
    whole, listener, _ = await listen(WIRES[name], Connection(stream))
    for place in range(1, len(stream)):
        pieces, other, _ = await listen(WIRES[name], Connection(stream[:place], stream[place:]))
        assert (pieces, other.hearing) == (whole, listener.hearing)


@pytest.mark.parametrize("name", WIRES)
async def test_a_stream_in_single_bytes_is_the_same(name):
    stream = stream_of(name)
    whole, listener, _ = await listen(WIRES[name], Connection(stream))
    single = Connection(*(bytes([byte]) for byte in stream))
    pieces, other, _ = await listen(WIRES[name], single)
    assert (pieces, other.hearing) == (whole, listener.hearing)


@pytest.mark.parametrize("name", WIRES)
@pytest.mark.parametrize("error", [None, ClientPayloadError("secret bytes"), OSError("reset")])
async def test_a_stream_cut_at_any_byte_is_whole_only_with_its_last_word(name, error):
    stream = stream_of(name)
    needed = stream.index(b"\n\n", stream.index(LAST_WORDS[name])) + 2
    for place in range(len(stream)):
        connection = Connection(*filter(None, [stream[:place]]), error=error)
        if place >= needed:
            pieces, listener, _ = await listen(WIRES[name], connection)
            assert "".join(pieces) == TEXT
            assert listener.hearing.usage is None or listener.hearing.usage.output_tokens == 7
            continue
        with pytest.raises(CutOff) as caught:
            await listen(WIRES[name], connection)
        assert "secret" not in repr((caught.value, caught.value.__context__))


@pytest.mark.parametrize("name", WIRES)
async def test_what_had_come_before_a_cut_is_kept_with_a_lower_bound(name):
    stream = stream_of(name)
    for place in range(len(stream)):
        listener = Listener(WIRES[name], heard := Heard())
        pieces = list(listener.hear(stream[:place]))
        assert TEXT.startswith("".join(pieces))
        assert heard.pieces == pieces
        if heard.at_least is None:
            assert not pieces
        else:
            assert heard.at_least.input_tokens <= 11
            assert heard.at_least.output_tokens <= 7


def sse(*documents, ending=b""):
    return b"".join(f"data: {json.dumps(each)}\n\n".encode() for each in documents) + ending


def choice(finish=None, **delta):
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


async def test_done_without_a_reason_to_finish_is_not_whole():
    stream = sse(choice(content="Because"), ending=b"data: [DONE]\n\n")
    with pytest.raises(CutOff):
        await listen(Compatible(), Connection(stream))


async def test_a_reason_to_finish_is_enough_where_nobody_says_done():
    """Perplexity never did, and counts in every chunk; only the last count is the bill."""
    usage = {"prompt_tokens": 5, "completion_tokens": 1}
    cost = {"prompt_tokens": 5, "completion_tokens": 2, "cost": {"total_cost": 0.006}}
    stream = sse(
        choice(content="Be") | {"usage": usage}, choice("stop", content="cause") | {"usage": cost}
    )
    pieces, listener, heard = await listen(Perplexity(), Connection(stream))
    assert pieces == ["Be", "cause"]
    assert (
        listener.hearing.usage
        == heard.at_least
        == Usage(5, 2, nanousd=6_000_000, is_cost_told=True)
    )


async def test_a_count_before_the_end_is_only_a_lower_bound():
    usage = {"prompt_tokens": 5, "completion_tokens": 1}
    stream = sse(choice(content="Be") | {"usage": usage}, choice("stop"))
    _, listener, heard = await listen(Compatible(), Connection(stream))
    assert (listener.hearing.usage, heard.at_least) == (None, Usage(5, 1))


async def test_text_without_any_count_has_cost_a_token_at_least():
    _, _, heard = await listen(OpenAI(), Connection(sse(choice("stop", content="Because"))))
    assert heard.at_least == Usage(1, 1)


@pytest.mark.parametrize(
    "refusing",
    [choice("content_filter"), choice(refusal="I can't."), choice("stop", refusal="I can't.")],
)
async def test_a_refusal_of_openai_is_heard(refusing):
    _, listener, _ = await listen(OpenAI(), Connection(sse(refusing, choice("stop"))))
    assert listener.hearing.refused


RESPONSE = {"status": "incomplete", "output": [], "usage": None}
CUT_OFF = {"incomplete_details": {"reason": "max_output_tokens"}}


@pytest.mark.parametrize(
    ("events", "refused", "finish"),
    [
        (
            [{"type": "response.incomplete", "response": RESPONSE | CUT_OFF}],
            False,
            "max_output_tokens",
        ),
        (
            [
                {
                    "type": "response.incomplete",
                    "response": RESPONSE | {"incomplete_details": {"reason": "content_filter"}},
                }
            ],
            True,
            "content_filter",
        ),
        (
            [
                {"type": "response.refusal.delta", "delta": "I can't."},
                {"type": "response.completed", "response": RESPONSE | {"status": "completed"}},
            ],
            True,
            "completed",
        ),
    ],
)
async def test_an_end_of_the_responses_api_says_how_it_is_whole(events, refused, finish):
    _, listener, _ = await listen(Responses(), Connection(sse(*events)))
    assert (listener.hearing.refused, listener.hearing.finish) == (refused, finish)
    assert listener.hearing.usage is None


async def test_a_response_that_failed_without_a_word_is_not_whole():
    failed = {"type": "response.failed", "response": {"status": "failed", "error": None}}
    with pytest.raises(CutOff):
        await listen(Responses(), Connection(sse(failed)))


async def test_a_reason_to_finish_is_heard_as_it_is_told():
    _, listener, _ = await listen(Compatible(), Connection(sse(choice("error", content="Be"))))
    assert listener.hearing.finish == "error"


@pytest.mark.parametrize(
    ("document", "refused"),
    [
        ({"promptFeedback": {"blockReason": "SAFETY"}}, True),
        ({"candidates": [{"finishReason": "SAFETY"}]}, True),
        ({"candidates": [{"finishReason": "MAX_TOKENS"}]}, False),
    ],
)
async def test_a_refusal_of_gemini_is_heard(document, refused):
    _, listener, _ = await listen(Gemini(), Connection(sse(document)))
    assert listener.hearing.refused is refused


async def test_an_event_without_data_is_a_sign_of_life():
    stream = b"data:\n\nevent: ping\ndata: \n\n" + sse(choice("stop", content="Because"))
    assert (await listen(OpenAI(), Connection(stream)))[0] == ["Because"]


async def test_thoughts_are_no_text():
    parts = [{"text": "Hm.", "thought": True}, {"text": "Yes."}]
    document = {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]}
    assert (await listen(Gemini(), Connection(sse(document))))[0] == ["Yes."]
    delta = {"type": "thinking_delta", "thinking": "Hm."}
    listener = Listener(Anthropic(), Heard())
    assert list(listener.hear(sse({"type": "content_block_delta", "delta": delta}))) == []


def message(*events):
    start = {"input_tokens": 9, "output_tokens": 1, "cache_read_input_tokens": 4}
    return sse({"type": "message_start", "message": {"usage": start}}, *events)


STOP = {"type": "message_stop"}


async def test_the_last_count_of_anthropic_wins_and_its_nulls_do_not():
    usage = {"input_tokens": None, "output_tokens": 30}
    delta = {"type": "message_delta", "delta": {"stop_reason": "refusal"}, "usage": usage}
    _, listener, _ = await listen(Anthropic(), Connection(message(delta, STOP)))
    assert listener.hearing.usage == Usage(13, 30, (("cache_read_tokens", 4),))
    assert listener.hearing.refused


@pytest.mark.parametrize("usage", [{}, {"usage": None}, {"usage": {"output_tokens": "x"}}])
async def test_a_stream_of_anthropic_that_never_counts_its_output_has_an_unknown_bill(usage):
    delta = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, **usage}
    _, listener, heard = await listen(Anthropic(), Connection(message(delta, STOP)))
    assert (listener.hearing.is_whole, listener.hearing.usage) == (True, None)
    assert heard.at_least == Usage(13, 1, (("cache_read_tokens", 4),))


async def test_an_end_of_anthropic_without_a_reason_is_not_whole():
    with pytest.raises(CutOff):
        await listen(Anthropic(), Connection(message(STOP)))


async def test_a_block_may_begin_with_text():
    start = {"type": "content_block_start", "content_block": {"type": "text", "text": "A"}}
    assert list(Listener(Anthropic(), Heard()).hear(sse(start))) == ["A"]


async def test_what_follows_the_last_word_is_not_read():
    stream = stream_of("claude") + sse({"error": {"type": "late"}})
    pieces, _, _ = await listen(WIRES["claude"], Connection(stream, b"data: garbage\n\n"))
    assert "".join(pieces) == TEXT


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize(
    "error",
    [
        b'data: {"error": {"type": "overloaded_error"}}\n\n',
        b'event: error\ndata: {"type": "error", "message": "x"}\n\n',
        b'data: {"error": "out of memory"}\n\n',
        b'data: {"type": "response.failed", "response": {"error": {"code": "x"}}}\n\n',
        b'data: {"choices": [{"error": {"code": 502}, "finish_reason": "error"}]}\n\n',
    ],
)
async def test_an_error_among_the_events_is_one(begun, error):
    stream = sse(choice(content="Be")) if begun else b""
    with pytest.raises(ErrorInside) as caught:
        await listen(OpenAI(), Connection(stream + error))
    assert caught.value.has_begun is begun
    assert caught.value.document is not None


@pytest.mark.parametrize(
    "garbage", [b"data: <html>\n\n", b"event: error\ndata: oops\n\n", b"data: {\n\n"]
)
async def test_what_cannot_be_read_is_an_error(garbage):
    with pytest.raises(ErrorInside) as caught:
        await listen(OpenAI(), Connection(garbage))
    assert caught.value.document is None


async def test_an_event_or_an_answer_without_end_is_an_error():
    for chunk in (b"x" * 2**20, b": nothing to say" * 2**16 + b"\n\n"):
        chunks = [chunk] * (LARGEST_ANSWER // len(chunk) + 1)
        with pytest.raises(ErrorInside):
            await listen(OpenAI(), Connection(*chunks))


@pytest.mark.parametrize("error", [None, ClientPayloadError(), OSError()])
async def test_draining_ends_with_the_connection_whatever_its_end(error):
    connection = Connection(b"more", error=error)
    await drain(connection)
    assert connection.chunks == []


@pytest.mark.parametrize("response", [{"status": "queued"}, {}, None])
async def test_a_last_word_without_a_response_makes_nothing_whole(response):
    said = json.dumps({"type": "response.completed", "response": response})
    stream = Connection(f"data: {said}\n\n".encode())
    with pytest.raises(CutOff, match="without the vendor's last word"):
        await listen(Responses(), stream)
