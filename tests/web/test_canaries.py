"""A secret and a prompt that go in everywhere come out nowhere, an answer at its caller alone.

One application with an AI service and a database that fail in every way that can hold a secret:
whatever is answered, logged, kept, counted or pushed is searched.
"""

import asyncio
import io
import logging
from decimal import Decimal
from urllib.parse import quote

import pytest

from koo.ai import AIManager, AIService, PriceTable, ServiceConfig, TokenPrice
from koo.errors import ExternalServiceError, ServiceUnavailableError
from koo.monitoring import EventCounts, Journal, Monitor, Records, redacting
from koo.monitoring.logs import EventLog, JSONLines, TextLines
from koo.monitoring.notify import (
    Address,
    Alertmanager,
    Courier,
    Retelling,
    RoutingConfig,
    Webhook,
)
from koo.monitoring.otel import metrics_data
from koo.resilience import CheckStats, Holder, StateChanged, fan_out
from koo.stores import Archive
from koo.testing import Pieces, ScriptedProvider, run, running_clock
from koo.web import Access, AccessConfig, Console, ConsoleConfig

SECRET, PROMPT = "Zq9-canary-of-a-key", "whisper of a canary in a coal mine"
READ, OPERATE = "canary-token-for-reading", "canary-token-for-operating"
ANSWER = "song of a canary in a golden cage"
TO_THE_CALLER = ("POST /api/v1/ai/query", "POST /api/v1/ai/stream")
HOOK, ALERTMANAGER = "/hook", "/api/v2/alerts"
HIDDEN = {
    "the key": SECRET, "the prompt": PROMPT, "the read token": READ,
    "the operate token": OPERATE, "the key in an address": quote(f"{SECRET}/%"),
    "the answer": ANSWER,
}  # fmt: skip
#: The secret as it looks like one, and bare, as only who knows it finds it.
LEAK = f"https://koo:{SECRET}@api.example.com/v1?key={SECRET} refused Bearer {SECRET}; {SECRET}"


class Everything:
    """All that came out, as text."""

    def __init__(self):
        self.logs = io.StringIO()
        self.texts = {}

    def find(self):
        texts = self.texts | {"the log": self.logs.getvalue()}
        return {
            f"{what} in {where}"
            for where, text in texts.items()
            for what, canary in HIDDEN.items()
            if canary in text
        } - {f"the answer in {where}" for where in texts if where.startswith(TO_THE_CALLER)}

    def answered(self):
        """How often a caller has got the answer."""
        return sum(
            ANSWER in text for where, text in self.texts.items() if where.startswith(TO_THE_CALLER)
        )


def logger(stream):
    found = logging.Logger("koo.canaries", logging.DEBUG)  # noqa: LOG001 - nobody else's
    for form in (TextLines, JSONLines):
        handler = logging.StreamHandler(stream)
        handler.setFormatter(form(redacting([SECRET])))
        found.addHandler(handler)
    return found


def answers():
    """An answer, one that breaks off, and every failure that could carry words from inside."""
    yield ANSWER
    yield Pieces(ANSWER, ServiceUnavailableError("lab", f"down; {LEAK}"))
    yield ServiceUnavailableError("lab", f"down; {LEAK}", request_id="req-1")
    yield RuntimeError(f"{LEAK} {PROMPT}")
    yield ExternalServiceError("lab", LEAK, request_id=SECRET)
    yield OSError(LEAK, PROMPT)
    while True:
        yield ServiceUnavailableError("lab", LEAK)


class Script(ScriptedProvider):
    def __init__(self):
        super().__init__(then="x", models=RuntimeError(LEAK))
        self._lines = answers()

    def _next_line(self):
        return next(self._lines)


def play_and_tell(make_database, visit, path):
    """Everything that comes out of one application, in the end by its files too."""
    out, monitor, records = run(play(make_database, visit, path))
    asyncio.run(tell(out, monitor, records))
    for file in path.parent.iterdir():
        out.texts[file.name] = file.read_bytes().decode(errors="replace")
    return out


async def play(make_database, visit, path):
    out = Everything()
    redact = redacting([SECRET])
    clock = running_clock()
    journal, counts = Journal(redact=redact, clock=clock), EventCounts()
    log = EventLog(logger(out.logs), redact=redact, burst=100, clock=clock)
    listener = fan_out(journal.record, counts.record, log.record)
    price = TokenPrice(Decimal(1), Decimal(2))
    config = ServiceConfig(
        name="lab", model="m", base_url="http://127.0.0.1:1/v1", api_key=SECRET, price=price
    )
    service = AIService(config, Script(), prices=PriceTable(), clock=clock, on_event=listener)
    database = make_database(clock, journal)
    database.fail(cause=LEAK)
    database.check_stats = CheckStats(False, clock.time(), None, LEAK)
    database.details["holders"] = (Holder(LEAK, "app.py:1", 2.0),)
    listener(StateChanged("database", "closed", "open", LEAK))
    records = Records.of(Archive(path), clock=clock)
    monitor = Monitor(
        [database, service], journal=journal, counts=counts, redact=redact, clock=clock,
        configuration=lambda: {"DATABASE_URL": LEAK}, on_alert=log.record_alert,
        mutes=records.mute_book.mutes,
    )  # fmt: skip
    access = Access(AccessConfig(read_token=READ, operate_token=OPERATE), clock=clock)
    console = Console(
        monitor, access, ConsoleConfig(), answers=AIManager([service], clock=clock),
        records=records, on_event=log.record, clock=clock,
    )  # fmt: skip
    monitor.observe()
    await visit_all(out, console, visit)
    monitor.observe()
    out.texts["the reports"] = repr(monitor.reports())
    out.texts["the alerts"] = repr(monitor.alerts())
    out.texts["the journal"] = repr(journal.entries())
    out.texts["OpenTelemetry"] = repr(metrics_data(monitor.metrics(), span=(0.0, 1.0)))
    return out, monitor, records


async def tell(out, monitor, records):
    """Let a webhook and an Alertmanager hear of what stands; a real socket needs a real clock."""

    async def hear(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(head.lower().partition("content-length: ")[2].partition("\r")[0])
        where, body = head.split()[1], (await reader.readexactly(length)).decode()
        out.texts[where] = out.texts.get(where, "") + body
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(hear, "127.0.0.1", 0) as server:
        base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        alertmanager = Alertmanager(Address(f"{base}{ALERTMANAGER}"))
        courier = Courier(
            monitor.standing,
            records.outbox,
            [Webhook("hook", Address(f"{base}{HOOK}"))],
            retellings=[Retelling(monitor.standing, alertmanager)],
            routing=RoutingConfig(wait=0, interval=0),
        )
        work = asyncio.create_task(courier.run())
        async with asyncio.timeout(60):
            while not all("database" in out.texts.get(where, "") for where in (HOOK, ALERTMANAGER)):
                await asyncio.sleep(0.01)
        work.cancel()
        await asyncio.wait([work])


async def visit_all(out, console, visit):
    from fastapi import FastAPI

    app = FastAPI(docs_url=None, redoc_url=None)
    console.install(app)
    operate = {"authorization": f"Bearer {OPERATE}", "content-type": "application/json"}

    async def ask(method, path, body=b"", **headers):
        sent = operate | headers
        answer = await visit(app, method, path, headers=sent, body=body)
        shown = {k: v for k, v in answer.headers.items() if k != "x-request-id"}
        where = f"{method} {path.partition('?')[0]} {len(out.texts)}"
        out.texts[where] = f"{answer.status} {shown} {answer.body.decode()}"

    prompt = f'{{"service": "lab", "prompt": "{PROMPT}"}}'.encode()
    for _ in range(4):
        await ask("POST", "/api/v1/ai/query", prompt)
        await ask("POST", "/api/v1/ai/stream", prompt)
    await ask("POST", "/api/v1/ai/query", f'{{"service": "{PROMPT}", "prompt": 5}}'.encode())
    why = f"{SECRET} was wrong, and so was password={SECRET}"
    reason = f'{{"reason": "{why}"}}'.encode()
    await ask("POST", "/api/v1/monitoring/database/health-check", reason)
    await ask("POST", "/api/v1/monitoring/database/reset-circuit-breaker", reason)
    await ask("POST", "/api/v1/ai/services/lab/reset-errors", reason)
    await ask("POST", f"/api/v1/ai/services/{quote(PROMPT)}/reset-errors")
    silence = f'{{"component": "database", "reason": "{why}"}}'.encode()
    await ask("POST", "/api/v1/monitoring/silences", silence)
    [alert, *_] = console.monitor.standing()
    await ask("POST", f"/api/v1/monitoring/alerts/{quote(alert.id)}/acknowledge", reason)
    [kept] = console.monitor.alert_list().silences
    await ask("GET", "/api/v1/monitoring/silences")
    await ask("DELETE", f"/api/v1/monitoring/silences/{kept.id}", reason)
    await ask("GET", "/metrics", accept="application/json")
    paths = [
        route.path.replace("{service}", "lab")
        for router in console.routers()
        for route in router.routes
        if "GET" in route.methods and "{" not in route.path.replace("{service}", "")
    ]
    for path in paths:
        if not path.endswith("/stream"):
            await ask("GET", f"{path}?key={SECRET}")
            await ask("GET", path, authorization=f"Bearer {SECRET}")
            await ask("GET", path, host=SECRET)
    out.texts["the stream"] = console._snapshot().decode()


@pytest.mark.integration
def test_no_secret_no_prompt_and_no_answer_comes_out_anywhere_else(
    make_database, visit_once, tmp_path
):
    out = play_and_tell(make_database, visit_once, tmp_path / "state.db")
    assert len(out.texts) > 50
    assert out.answered() == 2
    assert out.find() == set()


def test_the_search_would_find_one():
    out = Everything()
    out.texts["a page"] = f"error: {SECRET}"
    assert out.find() == {"the key in a page"}


@pytest.mark.integration
def test_without_redaction_there_would_be_something_to_find(
    make_database, visit_once, tmp_path, monkeypatch
):
    """The negative twin: what goes in does get as far as the door."""
    monkeypatch.setattr("koo.monitoring.monitor.redacted", lambda report, _: report)
    found = play_and_tell(make_database, visit_once, tmp_path / "state.db").find()
    assert any(place.startswith("the key in GET /api/v1/monitoring/dashboard") for place in found)
    assert found >= {f"the key in {HOOK}", f"the key in {ALERTMANAGER}"}
