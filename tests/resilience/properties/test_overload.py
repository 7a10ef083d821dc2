"""What a dependency feels when it comes back, and when it is asked for twice what it can bear."""

import asyncio
from collections import deque
from contextlib import suppress

import pytest

from koo.errors import KooError
from koo.resilience import (
    Ask,
    CircuitBreaker,
    Deadline,
    Policy,
    current_deadline,
)
from koo.testing import run, running_clock

from ..tools import trip

pytestmark = pytest.mark.properties

SERVICE = 0.1
WORKERS = 10
PATIENCE = 1.0


@pytest.mark.parametrize("rps", [10, 100, 1000])
def test_two_seconds_after_a_recovery_all_calls_pass_and_nothing_trips_again(rps):
    async def recovery():
        clock = running_clock()
        gate = CircuitBreaker("dep", clock=clock, random=lambda: 0.0)
        through = Policy("dep", gates=[gate], clock=clock)
        trip(gate)
        await asyncio.sleep(60)
        began, passed, calls = clock.monotonic(), [], []

        async def visit():
            arrived = clock.monotonic() - began
            ended = await through.outcome(lambda: asyncio.sleep(0.05))
            passed.append((arrived, ended.ok))

        while clock.monotonic() - began < 4:
            calls.append(asyncio.create_task(visit()))
            await asyncio.sleep(1 / rps)
        await asyncio.gather(*calls)
        later = [ok for arrived, ok in passed if arrived >= 2]
        assert sum(later) >= 0.95 * len(later)
        assert gate.stats().opened_total == 1

    run(recovery())


class Server:
    """Ten workers and a queue; it works for whoever is in it, unless told of a deadline."""

    def __init__(self):
        self.queue = deque()
        self.arrived = asyncio.Event()
        self.through = Policy("server", clock=running_clock())
        self.done = self.wasted = 0

    async def work(self):
        while True:
            while not self.queue:
                self.arrived.clear()
                await self.arrived.wait()
            answer, deadline = self.queue.popleft()
            with suppress(KooError):
                await self.through.run(lambda: asyncio.sleep(SERVICE), Ask(deadline=deadline))
                self.done += 1
                self.wasted += answer.done()
                if not answer.done():
                    answer.set_result("answer")

    async def call(self, header=None):
        answer, now = asyncio.get_running_loop().create_future(), running_clock().monotonic()
        self.queue.append((answer, header and Deadline.from_header(header, now)))
        self.arrived.set()
        return await answer


async def overload(call):
    """The share of answers that nobody waited for, at twice the demand that is borne."""
    server = Server()
    workers = [asyncio.create_task(server.work()) for _ in range(WORKERS)]
    clients = []
    for _ in range(2 * 30 * round(WORKERS / SERVICE)):
        clients.append(asyncio.create_task(call(server)))
        await asyncio.sleep(SERVICE / WORKERS / 2)
    await asyncio.gather(*clients)
    for worker in workers:
        worker.cancel()
    return server.wasted / server.done


async def with_a_timeout_for_each_try(server):
    for _ in range(3):
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await server.call()
                return


def test_where_a_deadline_travels_nothing_is_finished_for_who_has_gone():
    async def with_a_deadline_that_travels(server):
        clock = running_clock()

        async def send():
            left = current_deadline()
            return await server.call(left.to_header(clock.monotonic()))

        return await Policy("client", timeout=PATIENCE, clock=clock).outcome(send)

    before = run(lambda: overload(with_a_timeout_for_each_try))
    after = run(lambda: overload(with_a_deadline_that_travels))
    assert before > 0.5
    assert after == 0
