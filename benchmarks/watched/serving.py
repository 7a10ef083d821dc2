"""Real servers: how fast they stop while streams are open, and live while all else hangs."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeAlias

from lab.figures import Figure, Section
from lab.paired import percentile

from koo.testing import free_port

__all__ = ["living", "stopping"]

_STREAMS = 20
_STOPS = 5
_LOOKS = 1000
_CALLS = 20
_BACKEND = Path(__file__).parents[2] / "backend"
_TOKEN = "token-of-the-benchmark"  # noqa: S105 - of a server that lives for a minute
_APP = """
from contextlib import asynccontextmanager
from fastapi import FastAPI
from koo.monitoring import Monitor
from koo.web import Access, Console
console = Console(Monitor([]), Access())
@asynccontextmanager
async def lifespan(app):
    async with console.running():
        yield
    print("ended", flush=True)
app = FastAPI(lifespan=lifespan)
console.install(app)
"""
_BARE = {
    "uvicorn": ("uvicorn", "--log-level", "critical"),
    "granian": ("granian", "--interface", "asgi", "--no-ws", "--log-level", "critical"),
}
_Running: TypeAlias = AbstractAsyncContextManager[Process]
_Start: TypeAlias = Callable[[str, int], _Running]


async def stopping() -> Section:
    starts: dict[str, tuple[_Start, bytes]] = {
        server: (partial(_bare, server), b"ended") for server in _BARE
    }
    starts["scripts/serve"] = (_shipped, b"Application shutdown complete")
    figures = []
    for server, (start, last_words) in starts.items():
        taken = [await _stop(start, last_words) for _ in range(_STOPS)]
        figures.append(Figure(f"{server}, the slowest of {_STOPS}", max(taken), "s", "< 1 s"))
    method = (
        f"From SIGTERM until the process has ended in order, its shutdown run, while {_STREAMS}"
        " event streams are open: a bare application on each server, and ours as it is shipped."
    )
    return Section("The end of a server", method, figures)


async def _stop(start: _Start, last_words: bytes) -> float:
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        async with start(folder, port) as process:
            streams = [await _request(port, "/api/v1/monitoring/stream") for _ in range(_STREAMS)]
            await asyncio.gather(*(reader.readuntil(b"event: ") for reader, _ in streams))
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.stdout is not None
            said = await process.stdout.read()
            await process.wait()
            taken = time.monotonic() - began
            for _, writer in streams:
                writer.close()
    assert last_words in said, said
    return taken


def _bare(server: str, folder: str, port: int) -> _Running:
    Path(folder, "streaming.py").write_text(_APP, "utf-8")
    where = ("--host", "127.0.0.1", "--port", str(port), "streaming:app")
    return _process(*_BARE[server], *where, folder=folder, errors=STDOUT)


def _shipped(folder: str, port: int) -> _Running:
    settings = {
        "DATABASE_URL": f"sqlite:///{folder}/koo.db",
        "STATE_URL": f"sqlite:///{folder}/state.db",
    }
    return _process("api", "--port", str(port), folder=_BACKEND, errors=STDOUT, **settings)


async def living() -> Section:
    """Everything that the application needs accepts connections and never answers."""
    async with AsyncExitStack() as stack:
        hole = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1000))
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        nowhere, port = hole.getsockname()[1], free_port()
        settings = {
            "DATABASE_URL": f"postgresql://koo@127.0.0.1:{nowhere}/koo",
            "ANTHROPIC_API_KEY": "test-key",
            "AI_CLAUDE_BASE_URL": f"http://127.0.0.1:{nowhere}",
            "KOO_OPERATE_TOKEN": _TOKEN,
            "STATE_URL": f"sqlite:///{folder}/state.db",
            "SHUTDOWN_GRACE": "0.1",
        }
        serve = _process("api", "--port", str(port), folder=_BACKEND, **settings)
        await stack.enter_async_context(serve)
        await _looks(port, "/livez", 1)
        calls = [asyncio.create_task(_call(port)) for _ in range(_CALLS)]
        ways = [
            asyncio.create_task(_looks(port, "/api/v1/database/version", 1)) for _ in range(_CALLS)
        ]
        await asyncio.sleep(0.5)
        taken = await _looks(port, "/livez", _LOOKS)
        for task in (*calls, *ways):
            task.cancel()
    figures = [
        Figure("p50", percentile(taken, 50), "ms"),
        Figure("p99", percentile(taken, 99), "ms", "< 5 ms"),
    ]
    method = (
        f"{_LOOKS:,} times GET /livez over loopback, all answered 200, while the database and the"
        f" provider accept connections and never answer, and {_CALLS} callers wait for each."
    )
    return Section("Liveness while everything else hangs", method, figures)


async def _looks(port: int, path: str, number: int) -> list[float]:
    taken = []
    for _ in range(number):
        began = time.perf_counter()
        reader, writer = await _request(port, path)
        status = await reader.readline()
        await reader.read()
        writer.close()
        taken.append((time.perf_counter() - began) * 1000)
        assert b" 200 " in status or path != "/livez", status
    return taken


async def _call(port: int) -> None:
    body = b'{"service": "claude", "prompt": "hi"}'
    reader, _ = await _request(port, "/api/v1/ai/query", body)
    await reader.read()


async def _request(
    port: int, path: str, body: bytes = b""
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await _connect(port)
    head = (
        f"{'POST' if body else 'GET'} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    )
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    if "/api" in path and "stream" not in path:
        head += f"Authorization: Bearer {_TOKEN}\r\n"
    writer.write(head.encode() + b"\r\n" + body)
    return reader, writer


async def _connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    for _ in range(400):
        try:
            return await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.05)
    message = f"nobody listens on port {port}"
    raise AssertionError(message)


@asynccontextmanager
async def _process(
    module: str, *options: str, folder: str | Path, errors: int | None = None, **settings: str
) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *options,
        cwd=folder,
        env={**os.environ, **settings},
        stdout=PIPE,
        stderr=errors,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
