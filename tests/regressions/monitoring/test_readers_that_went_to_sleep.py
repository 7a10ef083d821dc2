"""One reader of the stream that slept held its place, and each stop for the whole grace."""

import logging
import socket
import sys
import threading
import time
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI

from api.server import listen, make_server
from koo.monitoring import Monitor
from koo.monitoring.logs import TextLines
from koo.web import Access, Console

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(120),
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a socket lose patience"),
]
GRACE = 60.0


@pytest.fixture
def console(monkeypatch):
    """One whose frames no socket's buffer holds."""
    console = Console(Monitor([]), Access())
    monkeypatch.setattr(console.feed, "_snapshot", lambda: b"x" * 8_000_000)
    return console


@pytest.fixture
def quiet_log():
    """The log as it was, after a server has made it its own."""
    root = logging.getLogger()
    before = root.handlers[:]
    yield
    root.handlers[:] = before


@pytest.fixture
def server(console, quiet_log):
    @asynccontextmanager
    async def lifespan(_):
        async with console.running():
            yield

    app = FastAPI(lifespan=lifespan)
    console.install(app)
    listener = listen("127.0.0.1", 0, patience=2.0)
    server = make_server(app, grace=GRACE, lines=TextLines(), log_level="critical")
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    until(lambda: server.started)
    yield server, thread, listener.getsockname()
    server.force_exit = server.should_exit = True
    thread.join()


def until(true, seconds=GRACE / 2):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "never true"
        time.sleep(0.02)


def test_who_reads_nothing_is_cut_off_and_holds_up_no_stop(server, console):
    server, thread, address = server
    with socket.create_connection(address) as sleeper:
        sleeper.sendall(b"GET /api/v1/monitoring/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        until(lambda: console.feed.visitors == 1)
        until(lambda: console.feed.visitors == 0)
        server.should_exit = True
        thread.join(GRACE / 2)
        assert not thread.is_alive()
