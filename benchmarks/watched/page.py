"""The page in a real browser: how much it is, how soon it is there, and what it keeps of a day."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from lab.figures import Figure, Section

from koo.ai import PriceTable
from koo.database import DatabaseConfig, DatabaseManager
from koo.monitoring import EventCounts, Journal
from koo.resilience import fan_out
from koo.testing import free_port

from .chromium import Tab, chromium
from .services import Silent, application, service

__all__ = ["keeping", "showing"]

_LOADS = 7
_CHANGES = 5
_DAY = 86_400
_KB, _KIB = 1000, 1024
#: Code that V8 makes anew while it warms up would hide what the page keeps.
_UNCOMPILED = "--js-flags=--no-opt,--no-maglev,--always-sparkplug"
_TRANSFER = """
performance.getEntriesByType("navigation")
  .concat(performance.getEntriesByType("resource").filter(it => it.name.includes("/static/")))
  .reduce((sum, it) => sum + it.transferSize, 0)
"""
_PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
# The stream is played from memory: a frame as soon as the last one is drawn.
_PLAY = """
globalThis.played = 0;
globalThis.wanted = 1;
const asked = globalThis.fetch;
globalThis.fetch = async (url, options) => {
  if (!String(url).endsWith("/monitoring/stream")) return asked(url, options);
  const first = await (await asked("/api/v1/monitoring/dashboard")).json();
  const text = new TextEncoder();
  const body = new ReadableStream({
    async pull(stream) {
      if (globalThis.played >= globalThis.wanted) {
        await new Promise((resume) => setTimeout(resume, 50));
        return stream.enqueue(text.encode(": still here\\n\\n"));
      }
      const frame = structuredClone(first);
      const tick = globalThis.played++;
      frame.timestamp = new Date(Date.parse(first.timestamp) + 1000 * tick).toISOString();
      frame.database.metrics.checkouts.total += tick;
      frame.verdict.headline = `${first.verdict.headline} ${tick % 7}`;
      for (const it of Object.values(frame.ai_services)) it.metrics.total_requests += tick;
      frame.events = frame.events.map((it, i) => ({ ...it, cause: `${tick} ${i}` }));
      stream.enqueue(text.encode(`event: dashboard\\ndata: ${JSON.stringify(frame)}\\n\\n`));
      if (tick % 50 === 0) await new Promise((resume) => setTimeout(resume));
    },
  });
  return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
};
"""


async def showing() -> Section:
    async with _served() as (base, database), chromium() as tab:
        await tab.call("Page.enable")
        loads = [await _load(tab, base) for _ in range(_LOADS)]
        transfers, paints = zip(*loads, strict=True)
        updates = [await _change(tab, database) for _ in range(_CHANGES)]
    figures = [
        Figure("transfer, compressed as it comes", max(transfers) / _KB, "kB", "<= 60 kB"),
        Figure(
            "first contentful paint",
            statistics.median(paints),
            "ms",
            "< 300 ms",
            min(paints),
            max(paints),
            _LOADS,
        ),
        Figure(f"update after a change, the slowest of {_CHANGES}", max(updates), "s", "< 1.5 s"),
    ]
    method = (
        f"Headless Chromium over loopback, its cache off, the median of {_LOADS} loads; a database,"
        " three AI services. A change is a circuit that is opened or closed by hand."
    )
    return Section("The page", method, figures)


async def _load(tab: Tab, base: str) -> tuple[int, float]:
    await tab.call("Network.setCacheDisabled", cacheDisabled=True)
    await tab.call("Page.navigate", url="about:blank")
    await tab.call("Page.navigate", url=base)
    await tab.until("document.querySelector('h1') !== null")
    await tab.until(f"{_PAINTED} !== undefined")
    return int(await tab.js(_TRANSFER)), float(await tab.js(_PAINTED))


async def _change(tab: Tab, database: DatabaseManager) -> float:
    shows = "document.body.innerText.toLowerCase().includes('until somebody resets it')"
    database.breaker.isolate("for the benchmark")
    began = time.monotonic()
    await tab.until(shows)
    taken = time.monotonic() - began
    database.reset()
    await tab.until(f"!{shows}")
    return taken


async def keeping() -> Section:
    async with _served() as (base, _), chromium(_UNCOMPILED) as tab:
        await tab.call("Page.enable")
        await tab.call("Page.addScriptToEvaluateOnNewDocument", source=_PLAY)
        await tab.call("Page.navigate", url=base)
        await tab.until("document.querySelector('h1') !== null")
        heaps = [await _heap_after(tab, _DAY * part // 10) for part in range(1, 11)]
    growth = (max(heaps) / heaps[0] - 1) * 100
    figures = [
        Figure("heap after the first tenth", heaps[0] / _KIB, "KiB"),
        Figure("the most that it grew to from there", growth, "%", "<= 10 %"),
    ]
    method = (
        f"{_DAY:,} updates, a day of them, played as fast as they are drawn; the heap after"
        " collections at each tenth. V8 compiles without optimizing, because code that it makes"
        " anew is in the heap too."
    )
    return Section("The page after a day", method, figures)


async def _heap_after(tab: Tab, updates: int) -> int:
    await tab.js(f"globalThis.wanted = {updates}")
    await tab.until(f"globalThis.played >= {updates}", 1800)
    return await tab.heap()


@asynccontextmanager
async def _served() -> AsyncIterator[tuple[str, DatabaseManager]]:
    """An application on a port of loopback, and its database."""
    journal, prices, port = Journal(), PriceTable(), free_port()
    listener = fan_out(journal.record, EventCounts().record)
    services = [service(name, Silent(), prices) for name in ("claude", "openai", "gemini")]
    for each in services:
        await each.query("hi")
    with tempfile.TemporaryDirectory() as folder:
        config = DatabaseConfig(url=f"sqlite+aiosqlite:///{folder}/koo.db")
        database = DatabaseManager(config, on_event=listener)
        app, console = application([database, *services], journal)
        server = uvicorn.Server(
            uvicorn.Config(app, port=port, log_level="critical", lifespan="off")
        )
        async with console.running():
            serving = asyncio.create_task(server.serve())
            await _begun(server)
            try:
                yield f"http://127.0.0.1:{port}/", database
            finally:
                console.lifecycle.drain()
                server.should_exit = True
                await serving
        await database.close()


async def _begun(server: uvicorn.Server) -> None:
    for _ in range(6000):
        if server.started:
            return
        await asyncio.sleep(0.01)
    message = "the server did not start within a minute"
    raise AssertionError(message)
