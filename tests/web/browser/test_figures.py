"""How large, how fast and how frugal the page is; asserted is what is no matter of the machine.

To see them, of a whole day:
KOO_SOAK=1 .venv/bin/python -m pytest tests/web/browser/test_figures.py -s
"""

import asyncio
import json
import time

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.properties, pytest.mark.timeout(1800)]

DAY = 86_400
# The stream is played from memory: a frame as soon as the last one is drawn.
PLAY = """
globalThis.played = 0;
const asked = globalThis.fetch;
globalThis.fetch = async (url, options) => {
  if (!String(url).endsWith("/monitoring/stream")) return asked(url, options);
  const frames = await (await asked("/api/v1/monitoring/dashboard")).json();
  const text = new TextEncoder();
  const body = new ReadableStream({
    async pull(stream) {
      if (globalThis.played >= globalThis.wanted) {
        await new Promise((resume) => setTimeout(resume, 50));
        return stream.enqueue(text.encode(": still here\\n\\n"));
      }
      const frame = structuredClone(frames);
      const tick = globalThis.played++;
      frame.timestamp = new Date(Date.parse(frames.timestamp) + 1000 * tick).toISOString();
      frame.database.history.active = frame.database.history.active.map((_, i) => (tick + i) % 30);
      frame.database.metrics.checkouts.total += tick;
      frame.verdict.headline = `${frames.verdict.headline} ${tick % 7}`;
      for (const it of Object.values(frame.ai_services)) it.metrics.total_requests += tick;
      frame.events = frame.events.map((it, i) => ({ ...it, cause: `${tick} ${i}` }));
      stream.enqueue(text.encode(`event: dashboard\\ndata: ${JSON.stringify(frame)}\\n\\n`));
      if (tick % 50 === 0) await new Promise((resume) => setTimeout(resume));
    },
  });
  return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
};
"""

# What V8 compiles anew while it warms up would be an eighth of the heap, and hide what we keep.
UNCOMPILED = "--js-flags=--no-opt,--no-maglev,--always-sparkplug"

MARK = """
new MutationObserver((_, watch) => {
  if (!document.querySelector("h1")) return;
  performance.mark("shown");
  watch.disconnect();
}).observe(document, { childList: true, subtree: true });
"""


async def heap_after(page, updates):
    """The bytes in use once so many updates have been drawn and what is not needed is gone."""
    await page.js(f"globalThis.wanted = {updates}")
    await page.until(f"globalThis.played >= {updates}", 600)
    return min([await heap(page) for _ in range(5)])


async def heap(page):
    """What is in use after a collection; now and then one leaves something for the next."""
    await asyncio.sleep(0.3)
    await page.call("HeapProfiler.collectGarbage")
    return (await page.call("Runtime.getHeapUsage"))["usedSize"]


async def test_a_day_of_updates_leaves_the_heap_as_it_was(night, serve, browse, scale):
    updates = max(900, int(DAY * scale**2))
    marks = [max(600, updates * part // 10) for part in range(1, 11)]
    stage = night()
    with serve(stage.app) as server:
        async with browse(server.base, UNCOMPILED) as page:
            source = "globalThis.wanted = 1;" + PLAY
            await page.call("Page.addScriptToEvaluateOnNewDocument", source=source)
            await page.open()
            await page.see("Database circuit open")
            heaps = [await heap_after(page, mark) for mark in sorted(set(marks))]
            print(json.dumps({"updates": updates, "heap_bytes_at_each_tenth": heaps}))
            assert max(heaps) <= 1.02 * heaps[0]
            assert page.complaints == []


async def test_the_page_is_small_and_says_how_fast_it_is(night, serve, browse):
    stage = night()
    with serve(stage.app) as server:
        async with browse(server.base) as page:
            await page.call("Page.addScriptToEvaluateOnNewDocument", source=MARK)
            await page.open()
            await page.see("Database circuit open")
            painted = "performance.getEntriesByName('first-contentful-paint').length > 0"
            await page.until(f"document.readyState === 'complete' && {painted}")
            transfer = await page.js(
                "performance.getEntriesByType('navigation').concat(performance.getEntriesByType("
                "'resource').filter(it => it.name.includes('/static/')))"
                ".reduce((sum, it) => sum + it.transferSize, 0)"
            )
            shown = await page.js("performance.getEntriesByName('shown')[0].startTime")
            paint = await page.js(
                "performance.getEntriesByName('first-contentful-paint')[0].startTime"
            )
            began = time.monotonic()
            stage.database.reset()
            await page.see("claude: circuit open")
            seconds = time.monotonic() - began
            figures = {"transfer": transfer, "first_paint_ms": paint, "verdict_ms": shown}
            print(json.dumps(figures | {"update_s": seconds}))
            assert 0 < transfer < 60_000
            assert paint > 0
