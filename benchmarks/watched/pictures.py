"""The pictures of docs/monitoring.md, taken anew of the demo in an outage: ``scripts/pictures``."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from .chromium import Tab, chromium

_ROOT = Path(__file__).parents[2]
_POSTGRES = re.compile(r"PostgreSQL +process (\d+),")
_LINK = re.compile(r"sign in \(works once\): (\S+)")
#: Seconds until everything that goes wrong in the demo has been seen once, and of the outage.
_BEFORE, _OUTAGE = 60.0, 8.0


@dataclass(frozen=True, slots=True)
class _Picture:
    """*height* None: as high as the page is; *dots* for each pixel of the page."""

    name: str
    width: int = 1280
    height: int | None = None
    dots: int = 1
    scheme: str = "light"


_PICTURES = (
    _Picture("page"),
    _Picture("page-dark", scheme="dark"),
    _Picture("page-phone", 390, 844, 2),
)


async def main() -> None:
    async with _demo() as (link, postgres), chromium("--hide-scrollbars") as tab:
        await tab.call("Page.enable")
        await tab.call("Page.navigate", url=link)
        await asyncio.sleep(_BEFORE)
        os.kill(postgres, signal.SIGKILL)
        await asyncio.sleep(_OUTAGE)
        for picture in _PICTURES:
            await _take(tab, picture)


async def _take(tab: Tab, picture: _Picture) -> None:
    scheme = {"name": "prefers-color-scheme", "value": picture.scheme}
    await tab.call("Emulation.setEmulatedMedia", features=[scheme])
    await _resize(tab, picture, picture.height or 800)
    if picture.height is None:
        await _resize(tab, picture, await tab.js("document.documentElement.scrollHeight"))
    taken = await tab.call("Page.captureScreenshot", format="png")
    path = _ROOT / "docs" / f"{picture.name}.png"
    path.write_bytes(base64.b64decode(taken["data"]))
    print(path)


async def _resize(tab: Tab, picture: _Picture, height: int) -> None:
    await tab.call(
        "Emulation.setDeviceMetricsOverride",
        width=picture.width,
        height=height,
        deviceScaleFactor=picture.dots,
        mobile=picture.dots > 1,
    )


@asynccontextmanager
async def _demo() -> AsyncIterator[tuple[str, int]]:
    """The link that signs its page in, and the process of its PostgreSQL."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "demo", "--port", "0", cwd=_ROOT / "backend", stdout=PIPE
    )
    try:
        postgres, link = await _find(process, _POSTGRES), await _find(process, _LINK)
        # What it says from now on must not fill the pipe.
        hearing = asyncio.create_task(_hear(process))
        yield link, int(postgres)
        hearing.cancel()
    finally:
        process.terminate()
        await process.wait()


async def _find(process: Process, words: re.Pattern[str]) -> str:
    assert process.stdout is not None
    async for line in process.stdout:
        if found := words.match(line.decode()):
            return found[1]
    message = "the demo has ended; see above"
    raise AssertionError(message)


async def _hear(process: Process) -> None:
    assert process.stdout is not None
    async for _ in process.stdout:
        pass


if __name__ == "__main__":
    asyncio.run(main())
