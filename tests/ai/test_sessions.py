"""Sessions belong to a loop, and a program that never closes them ends without a word."""

import asyncio
import subprocess
import sys

import pytest
from aiohttp import web

from koo.ai import Sessions, connect
from koo.ai.config import ServiceConfig

from .asking import question

pytestmark = pytest.mark.integration

SCRIPT = """
import asyncio
from aiohttp import web
from koo.ai import AIManager, AIService, ServiceConfig

async def answer(request):
    return web.json_response({
        "content": [{"type": "text", "text": "Because."}], "stop_reason": "end_turn",
        "usage": {"input_tokens": 3, "output_tokens": 2}, "data": []})

async def serve():
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner

made = []

async def main():
    asyncio.get_running_loop().slow_callback_duration = 60.0  # a busy machine is no failure
    runner = await serve()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    config = ServiceConfig(name="claude", api_key="test-key", base_url=address)
    manager = AIManager([AIService(config)])
    manager.start()
    made.append(manager)
    print(await manager.query("claude", "Why?"))
    await asyncio.sleep(0.05)
    await runner.cleanup()

for _ in range(3):
    asyncio.run(main())
"""


def test_a_plain_script_with_several_loops_ends_without_a_line_on_stderr():
    ended = subprocess.run(
        [sys.executable, "-X", "dev", "-c", SCRIPT], capture_output=True, text=True, timeout=150
    )
    assert ended.stdout.split() == ["Because."] * 3
    # The interpreter's debug mode also complains of a slow machine.
    said = [line for line in ended.stderr.splitlines() if not line.startswith("Executing ")]
    assert (ended.returncode, said) == (0, [])


async def test_a_loop_has_one_session_until_it_is_closed():
    sessions = Sessions()
    first = await sessions.current()
    assert await sessions.current() is first
    await sessions.close()
    assert first.closed
    second = await sessions.current()
    assert second is not first
    await sessions.close()
    await sessions.close()


def test_the_end_of_a_loop_closes_its_session():
    sessions = Sessions()

    async def once():
        return await sessions.current()

    first, second = asyncio.run(once()), asyncio.run(once())
    assert first is not second
    assert first.closed
    assert second.closed


def test_the_session_of_a_loop_closed_without_shutdown_is_dropped_silently():
    sessions = Sessions()
    loop = asyncio.new_event_loop()
    left = loop.run_until_complete(sessions.current())
    loop.close()
    assert not left.closed

    async def next_use():
        await sessions.current()
        assert left.closed
        await sessions.close()

    asyncio.run(next_use())


async def test_one_provider_serves_one_loop_after_another():
    async def answer(_):
        return web.json_response(
            {"content": [{"text": "x"}], "stop_reason": "end_turn", "usage": {}}
        )

    app = web.Application()
    app.router.add_post("/v1/messages", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    provider = connect(ServiceConfig(name="claude", api_key="test-key", base_url=address))

    async def ask():
        return (await provider.complete(provider.prepare(question("Why?")))).text

    texts = [await asyncio.to_thread(asyncio.run, ask()) for _ in range(3)]
    assert texts == ["x"] * 3
    await runner.cleanup()
