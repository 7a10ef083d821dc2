"""Runs the Python blocks of one page of the documentation as one program.

    page_program.py BLOCKS.json        [{"file": ..., "line": ..., "code": ...}, ...]

The four AI services lead to the provider simulator, the database to the one that DATABASE_URL
names. Each block sees the names of those before it. One that awaits runs on a loop that all of
the page share; any other runs as a script would, and may call `asyncio.run`.
"""

import ast
import asyncio
import inspect
import json
import linecache
import os
import sys
import threading
import warnings
from contextlib import contextmanager
from pathlib import Path

from koo.testing import Simulator

KEYS = {
    "claude": "ANTHROPIC_API_KEY",
    "openai": "OPENAI_API_KEY",
    "gemini": "GEMINI_API_KEY",
    "perplexity": "PERPLEXITY_API_KEY",
}


@contextmanager
def providers():
    """The simulator, on a loop and a thread of its own, and the settings that lead to it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    simulator = Simulator()
    asyncio.run_coroutine_threadsafe(simulator.start(), loop).result()
    for service, key in KEYS.items():
        os.environ[key] = "test-key"
        os.environ[f"AI_{service.upper()}_BASE_URL"] = simulator.base_url(service)
    try:
        yield
    finally:
        asyncio.run_coroutine_threadsafe(simulator.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def compiled(block):
    """The block's code, at the place in the page where a traceback shall point."""
    lines = "\n" * (block["line"] - 1) + block["code"]
    linecache.cache[block["file"]] = (len(lines), None, lines.splitlines(True), block["file"])
    return compile(lines, block["file"], "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def run(blocks):
    """Run the blocks in order in one namespace."""
    namespace = {"__name__": "__page__"}
    with asyncio.Runner() as runner:
        for block in blocks:
            code = compiled(block)
            if code.co_flags & inspect.CO_COROUTINE:
                runner.run(eval(code, namespace))
            else:
                exec(code, namespace)


if __name__ == "__main__":
    # google-genai's own, of how it uses aiohttp.
    warnings.filterwarnings("ignore", "Inheritance class AiohttpClientSession")
    with providers():
        run(json.loads(Path(sys.argv[1]).read_text()))
