"""One tab of a headless Chromium, told what to do over DevTools."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

__all__ = ["Tab", "chromium"]

_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--remote-debugging-port=0",
)


class Tab:
    """What a page shows, does and needs."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)

    async def call(self, method: str, **terms: object) -> dict[str, Any]:
        """What DevTools answer."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": terms})
        async with asyncio.timeout(60):
            while (answer := await self._socket.receive_json()).get("id") != number:
                pass
        result: dict[str, Any] = answer["result"]
        return result

    async def js(self, expression: str) -> Any:  # noqa: ANN401 - whatever it comes to
        """What *expression* comes to."""
        terms = {"expression": expression, "awaitPromise": True, "returnByValue": True}
        return (await self.call("Runtime.evaluate", **terms))["result"].get("value")

    async def until(self, expression: str, seconds: float = 60) -> None:
        """Wait until *expression* is true."""
        end = time.monotonic() + seconds
        while not await self.js(expression):
            assert time.monotonic() < end, f"never true: {expression}"
            await asyncio.sleep(0.01)

    async def heap(self) -> int:
        """The bytes in use after a collection; now and then one leaves something for the next."""
        sizes = []
        for _ in range(5):
            await asyncio.sleep(0.3)
            await self.call("HeapProfiler.collectGarbage")
            sizes.append((await self.call("Runtime.getHeapUsage"))["usedSize"])
        return min(sizes)


@asynccontextmanager
async def chromium(*flags: str) -> AsyncIterator[Tab]:
    """A tab of a fresh Chromium that ends with this block."""
    program = next((found for name in _NAMES if (found := shutil.which(name))), None)
    assert program, "Chromium is not installed here; apt-get install chromium brings it"
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        process = await asyncio.create_subprocess_exec(
            program,
            *_FLAGS,
            *flags,
            f"--user-data-dir={folder}",
            "about:blank",
            # Besides its profile it writes into the home of whoever runs it.
            env=os.environ | dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"), folder),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        stack.push_async_callback(_end, process)
        http = await stack.enter_async_context(aiohttp.ClientSession())
        port = await _port(Path(folder) / "DevToolsActivePort")
        address = await _address(http, port)
        yield Tab(await stack.enter_async_context(http.ws_connect(address, max_msg_size=0)))


async def _port(file: Path) -> str:
    for _ in range(1200):
        if words := _words(file):
            return words[0]
        await asyncio.sleep(0.05)
    message = "Chromium did not start within a minute"
    raise AssertionError(message)


def _words(file: Path) -> list[str]:
    return file.read_text("ascii").split() if file.exists() else []


async def _address(http: aiohttp.ClientSession, port: str) -> str:
    async with http.get(f"http://127.0.0.1:{port}/json/list") as answer:
        tabs = await answer.json()
    address: str = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
    return address


async def _end(process: asyncio.subprocess.Process) -> None:
    process.terminate()
    await process.wait()
