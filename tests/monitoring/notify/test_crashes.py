"""kill -9 at any moment: every beginning that was promised, and every end, arrives."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from koo.monitoring import Now
from koo.monitoring.notify import (
    Address,
    Book,
    Courier,
    CourierConfig,
    Message,
    Outbox,
    RoutingConfig,
    Webhook,
)
from koo.stores import Archive

pytestmark = pytest.mark.integration

PROGRAM = Path(__file__).with_name("courier_program.py")
KILLED_BETWEEN_CLAIM_AND_SEND = """
import os, signal, sys, time
from pathlib import Path
from koo.monitoring.notify import Outbox
from koo.stores import Archive
assert Outbox(Archive(Path(sys.argv[1]))).claim("hook", time.time(), 0.2)
os.kill(os.getpid(), signal.SIGKILL)
"""


@asynccontextmanager
async def at_work(courier):
    running = asyncio.create_task(courier.run())
    try:
        yield courier
    finally:
        running.cancel()
        await asyncio.wait([running])


class Arrivals:
    """A webhook's server that answers slowly, and remembers what came."""

    def __init__(self):
        self.firing, self.resolved, self.posts = [], [], 0

    async def serve(self, reader, writer):
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = int(head.lower().partition("content-length: ")[2].partition("\r")[0])
            body = json.loads(await reader.readexactly(length))
        except asyncio.IncompleteReadError:
            writer.close()
            return
        self.posts += 1
        for alert in body["alerts"]:
            seen = self.firing if alert["status"] == "firing" else self.resolved
            seen.append(alert["fingerprint"])
        await asyncio.sleep(0.01)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        writer.close()


async def test_a_process_killed_between_claim_and_send_loses_nothing(post, tmp_path):
    path = tmp_path / "state.db"
    outbox = Outbox(Archive(path))
    message = Message("database:critical", 1.0, (), (post.alert(),))
    outbox.post(("hook",), (message,), Book(), Now(0.0, time.time()), courier="me")
    killing = [sys.executable, "-c", KILLED_BETWEEN_CLAIM_AND_SEND, path]
    killed = await asyncio.create_subprocess_exec(*killing)
    assert await killed.wait() == -signal.SIGKILL

    arrived = []

    class Channel:
        name = "hook"

        async def send(self, message):
            arrived.append(message)

    config = CourierConfig(every=0.02, timeout=0.1, lease=0.2)
    async with at_work(Courier(list, outbox, [Channel()], config=config)), asyncio.timeout(30):
        while not arrived:
            await asyncio.sleep(0.01)
    assert arrived == [message]


@pytest.mark.parametrize("side_by_side", [1, 2])
async def test_a_process_killed_at_any_moment_tells_every_beginning_and_every_end(
    tmp_path, seed, side_by_side
):
    path, arrivals = tmp_path / "state.db", Arrivals()
    server = await asyncio.start_server(arrivals.serve, "127.0.0.1", 0)
    port = str(server.sockets[0].getsockname()[1])
    living = []
    try:
        for life in range(5 + side_by_side):
            living.append(await begin(port, path))
            before = arrivals.posts
            await asyncio.sleep(0.3 + (seed >> life) % 40 / 100)
            async with asyncio.timeout(30):
                while arrivals.posts == before:
                    await asyncio.sleep(0.01)
            if len(living) == side_by_side:
                await kill(living.pop(0))
    finally:
        for process in living:
            await kill(process)
    promised = letters(path)
    await deliver_the_rest(path, port)
    server.close()
    firing, resolved = set(arrivals.firing), set(arrivals.resolved)
    assert len(firing) > 6
    assert resolved <= firing
    assert promised <= firing | resolved
    # What was told and is not over is still known, so its end will be told.
    assert firing - resolved == told(path)


async def begin(port, path):
    process = await asyncio.create_subprocess_exec(
        sys.executable, PROGRAM, port, path, stdout=subprocess.PIPE
    )
    assert await process.stdout.readline() == b"ready\n"
    return process


async def kill(process):
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()


def letters(path):
    with sqlite3.connect(path) as connection:
        bodies = connection.execute("SELECT body FROM koo_letters").fetchall()
    messages = [json.loads(body) for (body,) in bodies]
    return {one["id"] for it in messages for one in (*it["firing"], *it["resolved"])}


def told(path):
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT alerts FROM koo_told").fetchall()
    return {one["id"] for (alerts,) in rows for one in json.loads(alerts)}


async def deliver_the_rest(path, port):
    """A process that has nothing new to tell, only what the killed ones left."""
    outbox = Outbox(Archive(path))
    courier = Courier(
        list,
        outbox,
        [Webhook("hook", Address(f"http://127.0.0.1:{port}/"))],
        routing=RoutingConfig(interval=3600),
        config=CourierConfig(every=0.02, timeout=1, lease=1.1),
    )
    async with at_work(courier), asyncio.timeout(20):
        while outbox.stats().waiting:
            await asyncio.sleep(0.05)


async def test_a_channel_that_hangs_never_makes_the_loop_wait(post, tmp_path):
    async def never(reader, writer):
        try:
            await reader.read()
        finally:
            writer.close()

    server = await asyncio.start_server(never, "127.0.0.1", 0)
    address = Address(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    # A busy machine may stall any one of them; a courier that waits in the loop stalls all.
    for number in range(5):
        courier = Courier(
            lambda: [post.alert()],
            Outbox(Archive(tmp_path / f"{number}.db")),
            [Webhook("hook", address)],
            routing=RoutingConfig(wait=0),
            config=CourierConfig(every=0.02, timeout=2, lease=3),
        )
        stalls = await stalls_until_it_fails(courier)
        longest, median = max(stalls), sorted(stalls)[len(stalls) // 2]
        if longest < 1 and median < 0.05:
            break
    server.close()
    assert longest < 1
    assert median < 0.05


async def stalls_until_it_fails(courier):
    """How long each turn of the loop took until *courier* gave up its first letter."""
    loop, stalls = asyncio.get_running_loop(), []
    async with at_work(courier):
        while not courier.stats().failed_total:
            before = loop.time()
            await asyncio.sleep(0.005)
            stalls.append(loop.time() - before)
    return stalls
