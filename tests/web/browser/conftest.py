"""A real server on a real socket, and a real Chromium that is told what to do over DevTools.

Without Chromium these tests are skipped, but not by `.ci/run` as root, which installs it.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import socket
import subprocess
import threading
import time
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import uvicorn

from koo.monitoring import Journal
from koo.resilience import SYSTEM_CLOCK, Holder, OperatorAction, Reading
from koo.web import ConsoleConfig

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
    "--hide-scrollbars", "--mute-audio", "--no-first-run", "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0",
)  # fmt: skip


DIE_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL")

#: How long a page may take (seconds): an answer to one command, and what becomes of one.
ANSWER = 60
PATIENCE = 30

REPORTS = """
globalThis.reports = [];
addEventListener("securitypolicyviolation", (it) => reports.push(it.violatedDirective));
"""


class Refused(AssertionError):
    """A command that the browser did not carry out."""


class Page:
    """One tab, and all it asked for and complained about."""

    def __init__(self, socket_, base):
        self.base = base
        self.requested = []
        self.complaints = []
        self._socket = socket_
        self._numbers = itertools.count(1)
        self._waiting = {}

    async def listen(self):
        async for message in self._socket:
            told = message.json()
            if future := self._waiting.pop(told.get("id"), None):
                future.set_result(told)
            else:
                self._note(told.get("method"), told.get("params", {}))

    def _note(self, method, params):
        match method:
            case "Network.requestWillBeSent":
                self.requested.append(params["request"]["url"])
            case "Runtime.exceptionThrown":
                self.complaints.append(params["exceptionDetails"])
            case "Log.entryAdded" if params["entry"]["level"] == "error":
                self.complaints.append(params["entry"]["text"])

    async def call(self, method, **params):
        number = next(self._numbers)
        self._waiting[number] = future = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        answer = await asyncio.wait_for(future, ANSWER)
        if "error" in answer:
            raise Refused(answer)
        return answer["result"]

    async def open(self, path="/"):
        await self.call("Page.navigate", url=self.base + path)

    async def js(self, expression):
        result = await self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def see(self, text):
        """Wait until the page shows *text*."""
        await self.until(f"document.body?.innerText.toLowerCase().includes({text.lower()!r})")

    async def until(self, expression, seconds=PATIENCE):
        end = time.monotonic() + seconds
        while not await self._now(expression):
            text = await self._now("document.body?.innerText")
            assert time.monotonic() < end, f"never true: {expression}; the page says: {text}"
            await asyncio.sleep(0.05)

    async def _now(self, expression):
        """What *expression* is; None while one page is left for the next."""
        try:
            return await self.js(expression)
        except Refused:
            return None

    async def click(self, words):
        """Press the button that says *words*."""
        says = f"button => button.innerText.includes({words!r})"
        await self.press(f"[...document.querySelectorAll('button')].findLast({says})")

    async def press(self, found):
        """Press the button *found* at the moment when it is there and can be pressed."""
        await self.until(f"(it => it && !it.disabled && (it.click(), true))({found})")

    async def fill(self, name, text):
        found = f"document.querySelector('input[name={name}]')"
        await self.until(f"(it => it && (it.value = {text!r}, true))({found})")

    async def shortcut(self, key):
        """Press *key* as soon as there is a button that it stands for."""
        await self.until(f"document.querySelector('[data-key={key}]:not(:disabled)') !== null")
        await self.key(key)

    async def key(self, key):
        for kind in ("keyDown", "keyUp"):
            more = {"text": key} if kind == "keyDown" and len(key) == 1 else {}
            if key == "Escape":
                more = {"windowsVirtualKeyCode": 27, "code": key}
            await self.call("Input.dispatchKeyEvent", type=kind, key=key, **more)

    async def dress(self, *, dark=False, width=1440, height=900, phone=False):
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=2 if phone else 1, mobile=phone,
        )  # fmt: skip


@asynccontextmanager
async def chromium(folder, base, *flags):
    """A tab of a fresh Chromium that ends with this block."""
    program = next((found for name in NAMES if (found := shutil.which(name))), None)
    if program is None:
        if os.environ.get("CI") == "true" and os.geteuid() == 0:
            pytest.fail("Chromium is absent; .ci/run must install it")
        pytest.skip("Chromium is not installed here; apt-get install chromium brings it")
    guard = DIE_WITH_PARENT if shutil.which("setpriv") else ()
    process = subprocess.Popen(
        [*guard, program, *FLAGS, *flags, f"--user-data-dir={folder}", "about:blank"],
        # Besides its profile it writes into the home of whoever runs it.
        env=os.environ | {"HOME": folder, "XDG_CONFIG_HOME": folder, "XDG_CACHE_HOME": folder},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        port = await _port(Path(folder) / "DevToolsActivePort")
        async with aiohttp.ClientSession() as http, _tab(http, port) as socket_:
            page = Page(socket_, base)
            listening = asyncio.create_task(page.listen())
            for domain in ("Page", "Runtime", "Network", "Log"):
                await page.call(f"{domain}.enable")
            await page.call("Page.addScriptToEvaluateOnNewDocument", source=REPORTS)
            yield page
            listening.cancel()
    finally:
        process.terminate()
        process.wait(ANSWER)


async def _port(file):
    end = time.monotonic() + ANSWER
    while not (file.exists() and file.read_text()):
        assert time.monotonic() < end, f"Chromium did not start within {ANSWER} s"
        await asyncio.sleep(0.05)
    return int(file.read_text().split()[0])


@asynccontextmanager
async def _tab(http, port):
    end = time.monotonic() + ANSWER
    while not (tabs := await _tabs(http, port)):
        assert time.monotonic() < end, f"Chromium opened no tab within {ANSWER} s"
        await asyncio.sleep(0.05)
    async with http.ws_connect(tabs[0]["webSocketDebuggerUrl"], max_msg_size=0) as socket_:
        yield socket_


async def _tabs(http, port):
    async with http.get(f"http://127.0.0.1:{port}/json/list") as answer:
        return [it for it in await answer.json() if it["type"] == "page"]


class Server:
    """uvicorn in a thread of its own, on a port that was free."""

    def __init__(self, app):
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.base = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="on"))
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],))

    def __enter__(self):
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        return self

    def __exit__(self, *_):
        self.stop()

    def crash(self):
        """Stop without ending anything in order."""
        self._server.force_exit = True
        self.stop()

    def stop(self):
        self._server.should_exit = True
        self._thread.join(ANSWER)
        assert not self._thread.is_alive()


class PastClock:
    """The machine's clock, a quarter of an hour ago; a scene is played up to now."""

    def __init__(self, behind=900.0):
        self._behind = behind
        self.sleep = SYSTEM_CLOCK.sleep

    def monotonic(self):
        return SYSTEM_CLOCK.monotonic() - self._behind

    def time(self):
        return SYSTEM_CLOCK.time() - self._behind

    def advance(self, seconds):
        self._behind = max(0.0, self._behind - seconds)


@pytest.fixture
def serve():
    """The way to a running server."""
    return Server


@pytest.fixture
def browse(tmp_path):
    """The way to a tab."""
    return lambda base, *flags: chromium(str(tmp_path / "profile"), base, *flags)


@pytest.fixture
def night(make_stage, make_service, make_database):
    """A bad night: the database is down, one provider too, another nearly out of money."""

    def build(read=None, operate=None, **config):
        clock = PastClock()
        config = ConsoleConfig(title="orders", version="1.4.0", **config)
        stage = make_stage(clock=clock, config=config, read=read, operate=operate)
        journal = Journal(clock=clock)
        stage.journal = journal
        stage.database = make_database(clock, journal, active=28, overflow=18, waiting=12)
        cheap, dear = 1_310_000_000, 8_240_000_000
        stage.services = {
            "claude": make_service(clock, journal, "claude", spent=6_120_000_000, minute=31),
            "openai": make_service(clock, journal, "openai", spent=cheap, minute=41),
            "gemini": make_service(clock, journal, "gemini", spent=dear, minute=52),
            "perplexity": make_service(clock, journal, "perplexity", configured=False),
        }
        lines = ("backend/services/orders.py:88 place", "backend/services/report.py:41 nightly")
        holders = [Holder(f"request-{4711 + n}", lines[n % 2], 41.2 / (n + 1)) for n in range(28)]
        stage.database.details["holders"] = tuple(holders)
        stage.database.readings.append(Reading("pool.oldest_checkout", 41.2))
        stage.build([stage.database, *stage.services.values()])
        play(stage)
        return stage

    return build


def play(stage):
    """A quarter of an hour: an evening's load, a provider that fails, a database that goes away."""
    clock, claude, database = stage.clock, stage.services["claude"], stage.database
    load = [9, 10, 10, 9, 8, 9, 11, 10, 12, 11, 10, 9, 9, 8, 10] * 5
    for used in [*load, 12, 14, 15, 17, 19, 22, 23, 25, 26, 27, 28, 28, 28]:
        queue = max(0, used - 21) * 2
        set_reading(database, "pool.active", used)
        set_reading(database, "pool.waiting", min(12, queue))
        stage.monitor.observe()
        clock.advance(5)
        stage.monitor.observe()
        clock.advance(5)
        match used:
            case 17:
                claude.succeed(3)
                claude.fail(9, "529 overloaded")
                claude.reset()
                stage.journal.record(reset_by_hand("ai:claude", "provider says fixed"))
            case 22:
                claude.succeed(4)
                claude.fail(7, "529 overloaded")
                claude.refuse(118)
    for service in list(stage.services.values())[:3]:
        set_reading(service, "budget.resets_at", clock.time() + 34_000)
    set_reading(claude, "success_rate", 0.412)
    set_reading(database, "failure_rate", 0.093)
    stage.services["openai"].succeed(40)
    stage.services["openai"].fail(1)
    database.succeed(3)
    database.fail(6, "connection refused")
    database.refuse(412)
    database.answers = False
    clock.advance(20)


def reset_by_hand(component, reason):
    return OperatorAction(
        component, "errors reset", reason, "page (operate)", "circuit_open", "healthy"
    )


def set_reading(component, name, value):
    component.readings = [
        Reading(name, value) if reading.name == name else reading for reading in component.readings
    ]
