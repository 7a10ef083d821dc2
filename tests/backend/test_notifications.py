"""Who is told of alerts: what the variable means, and that an outage reaches them."""

import asyncio
import json
import re
from contextlib import asynccontextmanager

import pytest

from core.config import SettingsError, read_settings
from core.settings import read_telling
from koo.monitoring import Monitor, Records
from koo.monitoring.notify import RoutingConfig
from koo.resilience import Health, Report
from koo.stores import Archive
from services.notifications import courier_of, delivering


def names(text):
    telling = read_telling(text)
    return [one.name for one in (*telling.channels, *telling.alertmanagers)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("https://hooks.example.com/T/secret", ["webhook hooks.example.com"]),
        (
            "http://a.example/1  http://a.example/2\nhttp://b.example",
            ["webhook a.example", "webhook a.example 2", "webhook b.example"],
        ),
        ("alertmanager+http://am.example:9093", ["alertmanager am.example"]),
        ("json://127.0.0.1:9/hook", ["json"]),
    ],
)
def test_an_address_is_what_its_beginning_says(text, found):
    assert names(text) == found
    assert bool(read_telling(text)) is bool(found)


@pytest.mark.parametrize(
    ("url", "posted"),
    [
        ("alertmanager+http://am.example:9093", "http://am.example:9093/api/v2/alerts"),
        ("alertmanager+https://am.example/", "https://am.example/api/v2/alerts"),
        ("alertmanager+https://am.example/own/path", "https://am.example/own/path"),
    ],
)
def test_an_alertmanager_is_told_at_its_api_unless_a_path_is_given(url, posted):
    [one] = read_telling(url).alertmanagers
    assert one.address.url == posted


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("https://", "must be an http or https URL"),
        ("https://name:secret@example.com:secret", "must be an http or https URL"),
        ("https://[secret]/", "must be an http or https URL"),
        ("alertmanager+https://[secret]/", "must be an http or https URL"),
        ("nonsense://secret", "Apprise does not know such a URL"),
        ("secret", "Apprise does not know such a URL"),
    ],
)
def test_a_wrong_address_is_a_sentence_without_it(variables, wrong, words):
    variables(KOO_NOTIFY_URLS=wrong)
    with pytest.raises(SettingsError) as refused:
        read_settings()
    assert str(refused.value) == f"KOO_NOTIFY_URLS {words}; correct it"


def test_an_address_is_shown_nowhere(variables):
    variables(KOO_NOTIFY_URLS="https://hooks.example.com/T/secret json://127.0.0.1/secret")
    settings = read_settings()
    assert "secret" not in repr(settings)
    assert "secret" not in repr(settings.telling)
    assert "secret" not in str(settings.shown())


class Patient:
    """A component that is ill on command."""

    name = "database"
    state = Health.HEALTHY

    def report(self):
        return Report(component=self.name, kind="database", state=self.state)


@asynccontextmanager
async def receiver():
    """A web server that remembers what was posted, and its port."""
    posted = []

    async def serve(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(re.search(rb"content-length: (\d+)", head.lower())[1])
        posted.append((head.split()[1].decode(), json.loads(await reader.readexactly(length))))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield posted, server.sockets[0].getsockname()[1]


async def eventually(holds):
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.02)


@pytest.mark.integration
async def test_an_outage_reaches_webhook_chat_and_alertmanager(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "koo.monitoring.notify.courier.RoutingConfig",
        lambda: RoutingConfig(wait=0, interval=0.1),
    )
    patient, records = Patient(), Records.of(Archive(tmp_path / "state.db"))
    monitor = Monitor([patient], mutes=records.mute_book.mutes)
    patient.state = Health.CIRCUIT_OPEN
    monitor.observe()
    async with receiver() as (posted, port):
        urls = (
            "http://127.0.0.1:{0}/hook json://127.0.0.1:{0}/chat alertmanager+http://127.0.0.1:{0}"
        )
        courier = courier_of(read_telling(urls.format(port)), monitor, records)
        async with delivering(courier):
            await eventually(
                lambda: {path for path, _ in posted} >= {"/hook", "/chat", "/api/v2/alerts"}
            )
        bodies = dict(posted)
        assert bodies["/hook"]["alerts"][0]["fingerprint"] == "database:circuit-open"
        assert bodies["/chat"]["title"] == "critical: database, database circuit open"
        told = {one["labels"]["alertname"] for one in bodies["/api/v2/alerts"]}
        assert told == {"circuit-open", "watchdog"}
        assert courier.report().state is Health.HEALTHY


def test_nobody_is_told_where_nobody_is_named(tmp_path):
    records = Records.of(Archive(tmp_path / "state.db"))
    assert courier_of(read_telling(""), Monitor([]), records) is None


async def test_without_a_courier_nothing_runs():
    async with delivering(None):
        assert len(asyncio.all_tasks()) == 1
