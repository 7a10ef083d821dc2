"""A real server with open streams stops at once when it is told to, and its lifespan ends."""

import asyncio
import signal
import sys
import time

import pytest

SERVER = """
import asyncio, socket, sys
from contextlib import asynccontextmanager
import uvicorn
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
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="critical")).run([listener])
print("stopped", flush=True)
"""
REQUEST = b"GET /api/v1/monitoring/stream HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def open_stream(port):
    for _ in range(200):
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
async def test_twenty_open_streams_do_not_keep_the_server_from_stopping(number):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVER, stdout=asyncio.subprocess.PIPE
    )
    try:
        port = int(await process.stdout.readline())
        streams = await asyncio.gather(*(open_stream(port) for _ in range(20)))
        began = time.monotonic()
        process.send_signal(number)
        ends = await asyncio.wait_for(asyncio.gather(*(reader.read() for reader, _ in streams)), 5)
        said = await process.stdout.read()
        took = time.monotonic() - began
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    for _, writer in streams:
        writer.close()
    assert all(end.endswith(b"0\r\n\r\n") for end in ends), "a stream was cut instead of ended"
    assert said.startswith(b"lifespan ended\n")
    assert took < 2, f"took {took:.2f} s"
