"""A real server with open streams stops at once when it is told to, and its lifespan ends."""

import asyncio
import contextlib
import os
import signal
import sys

import pytest

from koo.testing import free_port

APP = """
from contextlib import asynccontextmanager
from fastapi import FastAPI
from koo.monitoring import Monitor
from koo.web import Access, Console

console = Console(Monitor([]), Access())

@asynccontextmanager
async def lifespan(app):
    async with console.running():
        yield
    print("lifespan ended", flush=True)

app = FastAPI(lifespan=lifespan)
console.install(app)
"""
SERVERS = {
    "uvicorn": ("uvicorn", "--log-level", "critical"),
    "granian": ("granian", "--interface", "asgi", "--no-ws", "--log-level", "critical"),
}
REQUEST = b"GET /api/v1/monitoring/stream HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def open_stream(port):
    for _ in range(1200):
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.05)
            continue
        writer.write(REQUEST)
        await reader.readuntil(b"event: dashboard")
        return reader, writer
    raise AssertionError("the server never listened")


@pytest.mark.integration
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("server", SERVERS)
async def test_twenty_open_streams_do_not_keep_the_server_from_stopping(server, number, tmp_path):
    (tmp_path / "streaming.py").write_text(APP)
    port = free_port()
    program, *options = SERVERS[server]
    where = ("--host", "127.0.0.1", "--port", str(port))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", program, *options, *where, "streaming:app",
        cwd=tmp_path, stdout=asyncio.subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        streams = await asyncio.gather(*(open_stream(port) for _ in range(20)))
        process.send_signal(number)
        async with asyncio.timeout(30):
            ends = await asyncio.gather(*(reader.read() for reader, _ in streams))
            said = await process.stdout.read()
    finally:
        # Its output ends a moment before anybody hears that it has gone.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    for _, writer in streams:
        writer.close()
    assert all(end.endswith(b"0\r\n\r\n") for end in ends), "a stream was cut instead of ended"
    assert said == b"lifespan ended\n"
