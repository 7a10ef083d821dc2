"""Channels on real sockets: what arrives, and what an error says of where it should have gone."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from koo.monitoring import AlertState
from koo.monitoring.notify import (
    Address,
    Alertmanager,
    Chat,
    Courier,
    DeliveryError,
    Message,
    Outbox,
    Retelling,
    Webhook,
)
from koo.stores import Archive
from koo.testing import FakeClock

pytestmark = pytest.mark.integration

_HTTP = "notification address: must be an http or https URL"
_HEADERS = "notification address: headers must be ASCII of one line"


class Receiver:
    """A server that answers every request in the same way, and keeps them."""

    def __init__(self, answer):
        self.answer, self.heads, self.bodies, self.port = answer, [], [], 0

    async def serve(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(head.lower().partition("content-length: ")[2].partition("\r")[0])
        self.heads.append(head)
        self.bodies.append(json.loads(await reader.readexactly(length)))
        writer.write(self.answer)
        writer.close()


@asynccontextmanager
async def receiving(answer=b"HTTP/1.1 204 No Content\r\n\r\n"):
    receiver = Receiver(answer)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()


@pytest.fixture
def message(post):
    return Message(
        "database:critical",
        post.START + 60,
        (post.replace(post.alert(), cause="refused"),),
        (post.replace(post.alert("database:unavailable"), state=AlertState.RESOLVED),),
    )


async def test_a_webhook_posts_what_alertmanager_would(message):
    async with receiving() as receiver:
        url = f"http://127.0.0.1:{receiver.port}/hook?key=k"
        address = Address(url, {"Authorization": "Bearer secret"})
        await Webhook("hook", address, "http://koo/").send(message)
    [head], [body] = receiver.heads, receiver.bodies
    assert head.startswith("POST /hook?key=k HTTP/1.1\r\nHost: 127.0.0.1:")
    assert "Authorization: Bearer secret" in head
    assert (body["version"], body["status"], body["receiver"]) == ("4", "firing", "hook")
    assert body["groupLabels"] == {"kind": "database", "severity": "critical"}
    firing, resolved = body["alerts"]
    assert firing == {
        "status": "firing",
        "labels": {
            "alertname": "circuit-open", "component": "database", "service": "database",
            "severity": "critical",
        },
        "annotations": {
            "summary": "T", "description": "m", "runbook_url": "r", "cause": "refused",
        },
        "startsAt": "2023-11-14T22:13:20.000Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://koo/",
        "fingerprint": "database:circuit-open",
    }  # fmt: skip
    assert (resolved["status"], resolved["endsAt"]) == ("resolved", "2023-11-14T22:14:20.000Z")


@pytest.mark.parametrize(
    ("before", "header"),
    [("", None), ("ann@", "YW5uOg=="), ("ann:s%20cret@", "YW5uOnMgY3JldA==")],
)
async def test_what_stands_before_the_at_of_an_address_is_how_it_signs_in(message, before, header):
    async with receiving() as receiver:
        await Webhook("hook", Address(f"http://{before}127.0.0.1:{receiver.port}/")).send(message)
    [head] = receiver.heads
    assert ("Authorization" in head) is (header is not None)
    assert header is None or f"Authorization: Basic {header}\r\n" in head


async def test_a_message_of_ends_alone_is_resolved(message, post):
    async with receiving() as receiver:
        hook = Webhook("hook", Address(f"http://127.0.0.1:{receiver.port}"))
        await hook.send(post.replace(message, firing=()))
    assert receiver.bodies[0]["status"] == "resolved"
    assert receiver.heads[0].startswith("POST / HTTP/1.1")


async def test_a_header_of_ones_own_takes_the_place_of_ours(message):
    async with receiving() as receiver:
        headers = {"user-agent": "mine", "AUTHORIZATION": "Bearer secret"}
        await Address(f"http://name:word@127.0.0.1:{receiver.port}", headers).post(b"{}")
    [head] = receiver.heads
    names = [line.partition(":")[0].lower() for line in head.splitlines()[1:]]
    assert len(names) == len(set(names))
    assert "user-agent: mine" in head
    assert "Basic" not in head


@pytest.mark.parametrize(
    "interim",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\nHTTP/1.1 102 Processing\n\n",
    ],
)
async def test_what_only_announces_an_answer_is_none(message, interim):
    async with receiving(interim + b"HTTP/1.1 204 No Content\r\n\r\n") as receiver:
        await Webhook("hook", Address(f"http://127.0.0.1:{receiver.port}")).send(message)
    assert len(receiver.bodies) == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 503 Busy\r\n\r\n", "HTTP 503"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\r\n\r\n", "HTTP 302"),
        (b"SSH-2.0-OpenSSH\r\n", "no HTTP answer"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 500 Error\r\n\r\n", "HTTP 500"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "IncompleteReadError"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "HTTP 101"),
        (b"", "IncompleteReadError"),
        (b"x" * 200_000, "LimitOverrunError"),
    ],
)
async def test_an_error_says_what_and_never_where(message, answer, words):
    async with receiving(answer) as receiver:
        hook = Webhook("hook", Address(f"http://127.0.0.1:{receiver.port}/secret"))
        with pytest.raises(DeliveryError) as failed:
            await hook.send(message)
    assert str(failed.value) == words
    assert "secret" not in repr(hook)


async def test_nobody_there_is_an_error_like_any_other(message):
    async with receiving() as receiver:
        port = receiver.port
    with pytest.raises(DeliveryError, match="^ConnectionRefusedError$"):
        await Webhook("hook", Address(f"http://127.0.0.1:{port}")).send(message)


async def test_plain_http_where_tls_is_expected_is_an_error(message):
    async def answer_at_once(reader, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer_at_once, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(DeliveryError, match="Error$"):
        await Webhook("hook", Address(f"https://127.0.0.1:{port}")).send(message)
    server.close()


@pytest.mark.parametrize(
    ("url", "headers", "sentence"),
    [
        ("ftp://x", {}, _HTTP),
        ("http://", {}, _HTTP),
        ("http://x/a b", {}, "notification address: must be ASCII without spaces"),
        ("http://x/\r\nHost: y", {}, "notification address: must be ASCII without spaces"),
        ("http://x:99999", {}, _HTTP),
        ("http://x:0", {}, _HTTP),
        ("http://[::1", {}, _HTTP),
        ("http://x", {"a": "b\r\nc: d"}, _HEADERS),
        ("http://x", {"X:Evil name": "a"}, _HEADERS),
        ("http://x", {"": "a"}, _HEADERS),
        (
            "http://x",
            {"content-LENGTH": "0"},
            "notification address: content-LENGTH is not for you to set",
        ),
        (
            "http://x",
            {"Transfer-Encoding": "chunked"},
            "notification address: Transfer-Encoding is not for you to set",
        ),
    ],
)
def test_an_address_that_cannot_be_right_says_so_without_itself(url, headers, sentence):
    with pytest.raises(ValueError) as refused:
        Address(url, headers)
    assert str(refused.value) == sentence


# -- an Alertmanager ------------------------------------------------------------------------------


def shape(body):
    return [(one["labels"]["alertname"], one["endsAt"][11:19]) for one in body]


async def test_an_alertmanager_is_told_again_and_for_a_while_of_the_end(post):
    clock, standing = FakeClock(), [post.alert()]
    async with receiving() as receiver:
        address = Address(f"http://127.0.0.1:{receiver.port}/api/v2/alerts")
        teller = Retelling(lambda: standing, Alertmanager(address, "http://koo"), clock=clock)
        await teller.tell()
        clock.advance(30)
        await teller.tell()
        standing.clear()
        clock.advance(30)
        await teller.tell()
        clock.advance(299)
        await teller.tell()
        clock.advance(1)
        await teller.tell()
    assert [shape(body) for body in receiver.bodies] == [
        [("circuit-open", "22:15:20")],
        [("circuit-open", "22:15:50")],
        [("circuit-open", "22:14:20")],
        [("circuit-open", "22:14:20")],
    ]
    assert receiver.bodies[0][0]["generatorURL"] == "http://koo"


async def test_what_stands_again_is_no_longer_over(post):
    clock, standing = FakeClock(), [post.alert()]
    async with receiving() as receiver:
        address = Address(f"http://127.0.0.1:{receiver.port}/api/v2/alerts")
        teller = Retelling(lambda: standing, Alertmanager(address), clock=clock)
        await teller.tell()
        standing.clear()
        await teller.tell()
        standing.append(post.alert())
        await teller.tell()
    assert [len(body) for body in receiver.bodies] == [1, 1, 1]
    assert shape(receiver.bodies[2]) == shape(receiver.bodies[0])


async def test_an_alertmanager_that_is_away_is_told_later(tmp_path, post):
    async with receiving(b"HTTP/1.1 500 x\r\n\r\n") as receiver:
        address = Address(f"http://127.0.0.1:{receiver.port}/api/v2/alerts")
        teller = Retelling(lambda: [post.alert()], Alertmanager(address), every=0.01)
        outbox = Outbox(Archive(tmp_path / "state.db"))
        courier = Courier(list, outbox, (), retellings=[teller])
        running = asyncio.create_task(courier.run())
        while courier.stats().errors_total < 3:
            await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.wait([running])
    assert courier.stats().last_error == "alertmanager: HTTP 500"


async def test_what_an_alertmanager_answers_is_an_error_unless_it_took_it(post):
    async with receiving(b"HTTP/1.1 500 x\r\n\r\n") as receiver:
        address = Address(f"http://127.0.0.1:{receiver.port}/api/v2/alerts")
        teller = Retelling(lambda: [post.alert()], Alertmanager(address), clock=FakeClock())
        with pytest.raises(DeliveryError, match="^HTTP 500$"):
            await teller.tell()


async def test_alertmanagers_are_told_although_the_file_can_not_be_had(tmp_path, post):
    (tmp_path / "state.db").mkdir()
    async with receiving() as receiver:
        address = Address(f"http://127.0.0.1:{receiver.port}/api/v2/alerts")
        teller = Retelling(lambda: [post.alert()], Alertmanager(address))
        outbox = Outbox(Archive(tmp_path / "state.db"))
        running = asyncio.create_task(Courier(list, outbox, (), retellings=[teller]).run())
        while not receiver.bodies:
            await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.wait([running])


async def test_an_alertmanager_is_told_what_stands_elsewhere_too(post):
    clock = FakeClock()
    async with receiving() as receiver:
        address = Address(f"http://127.0.0.1:{receiver.port}/api/v2/alerts")
        teller = Retelling(lambda: [post.alert()], Alertmanager(address), clock=clock)
        await teller.tell([post.alert(since=post.START + 5), post.alert("ai:a:circuit-open")])
        await teller.tell()
    first, second = receiver.bodies
    assert sorted(shape(first)) == [("circuit-open", "22:15:20")] * 2
    assert sorted(shape(second)) == [("circuit-open", "22:13:20"), ("circuit-open", "22:15:20")]


# -- Apprise ----------------------------------------------------------------------------------


async def test_a_chat_is_told_in_words(message, post):
    async with receiving(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as receiver:
        chat = Chat("json", f"json://127.0.0.1:{receiver.port}/secret")
        await chat.send(message)
        await chat.send(post.replace(message, firing=()))
    firing, over = receiver.bodies
    assert (firing["title"], firing["type"]) == ("critical: database, t", "warning")
    assert firing["message"] == "m (refused)\nm"
    assert (over["title"], over["type"], over["message"]) == ("Over: T", "success", "m")
    assert "secret" not in repr(chat)


async def test_a_chat_names_the_worst_and_counts_the_others(message, post):
    async with receiving(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as receiver:
        others = (post.alert("ai:a:circuit-open"), post.alert("ai:b:circuit-open"))
        chat = Chat("json", f"json://127.0.0.1:{receiver.port}")
        await chat.send(post.replace(message, firing=(*others, *message.firing)))
    assert receiver.bodies[0]["title"] == "critical: a, t, and 2 more"


async def test_a_chat_that_refuses_is_an_error(message):
    async with receiving(b"HTTP/1.1 403 no\r\nContent-Length: 0\r\n\r\n") as receiver:
        with pytest.raises(DeliveryError, match="refused"):
            await Chat("json", f"json://127.0.0.1:{receiver.port}").send(message)


def test_a_chat_that_apprise_does_not_know_says_so():
    with pytest.raises(ValueError, match="Apprise does not know such a URL"):
        Chat("nonsense", "nonsense://secret")


def test_without_apprise_a_chat_says_what_to_install(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("koo.monitoring.notify.chat.import_module", missing)
    with pytest.raises(ValueError, match=r"pip install 'koo-platform\[notify\]'"):
        Chat("slack", "slack://a/b/c")


def test_a_retelling_that_cannot_be_right_says_so_in_a_sentence():
    with pytest.raises(ValueError, match="^Retelling: every must be a number of seconds above 0$"):
        Retelling(list, Alertmanager(Address("http://x")), every=0)
