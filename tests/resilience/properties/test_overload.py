"""What a dependency feels when it comes back, and when it is asked for twice what it can bear."""

import asyncio
from collections import Counter, deque
from contextlib import suppress
from itertools import count
from random import Random

import pytest

from koo.errors import KooError
from koo.resilience import (
    Ask,
    Backoff,
    BreakerConfig,
    Bulkhead,
    BulkheadConfig,
    CircuitBreaker,
    DailyBudget,
    DailyBudgetConfig,
    Deadline,
    Failure,
    Limit,
    Permit,
    Policy,
    RateLimiter,
    RateLimiterConfig,
    RetryClass,
    RetryConfig,
    Spent,
    State,
    current_deadline,
    current_permit,
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


ENDS = (
    Failure(retryable=True, trips=True, spent=Spent()),
    Failure(
        retryable=False,
        trips=False,
        retry_after=2.0,
        retry_class=RetryClass.THROTTLED,
        spent=Spent(),
    ),
)


class Ended(Exception):
    """An attempt that ended as its argument says."""


def verdict(error):
    return error.args[0]


class Numbered(RateLimiter):
    """A limiter that numbers its permits, with all else that happens."""

    def admit(self, ask):
        answer = super().admit(ask)
        if isinstance(answer, Permit):
            self.numbers[id(answer)] = next(self.happenings)
        return answer


class Crowd:
    """Callers before every gate; what they send is watched."""

    def __init__(self, dice):
        self.dice, self.clock = dice, running_clock()
        config = BreakerConfig(failure_threshold=2, recovery_timeout=3)
        limits = Limit(10, 5.0), Limit(300, 7.0, "tokens")
        self.breaker = CircuitBreaker("dep", config, clock=self.clock, on_event=self.heard)
        self.limiter = Numbered("dep", RateLimiterConfig(limits), clock=self.clock)
        gates = [
            self.breaker,
            self.limiter,
            Bulkhead("dep", BulkheadConfig(4), clock=self.clock),
            DailyBudget("dep", DailyBudgetConfig(500), clock=self.clock),
        ]
        dice.shuffle(gates)
        retry = RetryConfig(max_retries=2, backoff=Backoff(base_delay=0.2))
        self.through = Policy(
            "dep", gates=gates, classify=verdict, timeout=20, retry=retry, clock=self.clock
        )
        self.limiter.numbers, self.limiter.happenings = {}, count()
        self.failed = self.paused = self.opened = 0
        self.seen = Counter()

    def heard(self, event):
        if event.after == State.OPEN:
            self.opened = self.failed

    async def caller(self):
        dice = self.dice
        await asyncio.sleep(dice.random() * 30)
        ask = Ask(tokens=dice.choice([10, 40, 100]), nanousd=dice.choice([1, 20]))
        ended = await self.through.outcome(self.visit, ask)
        self.seen["waited"] += ended.waited > 0

    async def visit(self):
        # Who was let in before the failure, if in the same instant, could not know of it.
        let_in = self.limiter.numbers[id(current_permit(self.limiter))]
        is_paused = self.limiter.stats().paused_for > 0
        is_open = self.breaker.stats().state is State.OPEN
        self.seen["sent into a pause"] += is_paused and let_in > self.paused
        self.seen["sent through an open circuit"] += is_open and let_in > self.opened
        await asyncio.sleep(self.dice.choice([0.1, 0.5, 1]))
        if self.dice.random() < 0.25:
            end = self.dice.choice(ENDS)
            self.failed = next(self.limiter.happenings)
            self.paused = self.paused if end.trips else self.failed
            raise Ended(end)


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_sent_into_a_pause_or_through_an_open_circuit(seed):
    async def rush():
        crowd = Crowd(Random(seed))
        await asyncio.gather(*(crowd.caller() for _ in range(80)))
        return crowd.seen

    seen = run(rush)
    assert seen.pop("waited") > 10
    assert seen.total() == 0, seen
