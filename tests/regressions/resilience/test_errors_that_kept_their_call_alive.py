"""What a failed, refused or late call raised kept it, and all that its operation had, in a cycle.

Only the collector could end that, and in an outage it had much to do.
"""

import asyncio
import gc
from contextlib import aclosing, asynccontextmanager

import pytest

from koo.resilience import Ask, BreakerConfig, CircuitBreaker, Deadline, Failure, Permit
from koo.testing import running_clock

from ...resilience.policy.actors import QUICK, bulkhead, policy, started


class Broken(Exception):
    """The operation's own."""


async def fail():
    raise Broken


async def hang():
    await asyncio.sleep(9)


async def lost():
    reply = asyncio.get_running_loop().create_future()
    reply.cancel()
    await reply


def shut():
    gate = CircuitBreaker("dep", clock=running_clock())
    gate.isolate("for the test")
    return gate


def classify(_):
    return Failure(retryable=True, trips=True)


async def by_run(through, operation, ask):
    await through.run(operation, ask)


async def by_outcome(through, operation, ask):
    await through.outcome(operation, ask)


async def by_block(through, operation, ask):
    async with through.permit(ask):
        await operation()


async def by_loop(through, operation, ask):
    async for attempt in through.asking(ask):
        async with attempt:
            await operation()


async def by_stream(through, operation, ask):
    async def items():
        await operation()
        yield 1

    async with aclosing(through.stream(items, ask)) as stream:
        async for _ in stream:
            pass


async def by_its_later_items(through, operation, ask):
    async def items():
        yield 1
        await operation()

    async with aclosing(through.stream(items, ask)) as stream:
        async for _ in stream:
            pass


async def by_what_it_throws(through, operation, ask):
    async def items():
        yield 1

    async with asynccontextmanager(through.stream)(items, ask):
        await operation()


class Case:
    """One way for a call to end, and what its policy is made of."""

    def __init__(self, operation=fail, *, gone_after=None, ask_for=None, **parts):
        self.operation, self.gone_after, self.ask_for = operation, gone_after, ask_for
        self.parts = parts

    def ask(self):
        if self.ask_for is None:
            return Ask()
        return Ask(deadline=Deadline(running_clock().monotonic() + self.ask_for))

    async def play(self, form):
        parts = {name: part() if callable(part) else part for name, part in self.parts.items()}
        through = policy(classify=classify, **parts)
        task = await started(form(through, self.operation, self.ask()))
        if self.gone_after is not None:
            asyncio.get_running_loop().call_later(self.gone_after, task.cancel)
        await asyncio.wait([task])
        if not task.cancelled():
            # Asked, so that nobody complains that it was not.
            task.exception()


class EveryOther:
    """Fails every other time."""

    def __init__(self):
        self.calls = 0

    async def __call__(self):
        self.calls += 1
        if self.calls % 2:
            raise Broken


class Bad:
    """A gate that raises when it is asked again."""

    name = "bad"
    double_settled_total = 0

    def __init__(self):
        self.asked = 0

    def admit(self, ask):
        self.asked += 1
        if self.asked > 1:
            raise RuntimeError
        return Permit(self, ask, 0.0, 0)

    def settled(self, permit, outcome):
        """Hear nothing."""

    cancelled = settled


HELD = []


def full():
    room = bulkhead()
    HELD.append(room.admit(Ask()))
    return room


def touchy():
    return CircuitBreaker("dep", BreakerConfig(failure_threshold=1), clock=running_clock())


async def refused_inside():
    await policy("inside", gates=[shut()]).run(fail)


async def late_inside():
    await policy("inside", timeout=1).run(hang)


CASES = {
    "failed": Case(),
    "failed with a timeout": Case(timeout=5),
    "failed again": Case(retry=QUICK, retry_budget=None),
    "failed first": Case(EveryOther(), retry=QUICK, retry_budget=None),
    "late": Case(hang, timeout=1),
    "late again": Case(hang, attempt_timeout=1, retry=QUICK),
    "late for its caller": Case(hang, ask_for=1.0),
    "out of time between attempts": Case(retry=QUICK, ask_for=1.5),
    "refused": Case(gates=lambda: [shut()]),
    "refused in line": Case(gates=lambda: [full()], patience=1, timeout=5),
    "late in line": Case(gates=lambda: [full()], ask_for=1.0),
    "left in line": Case(gates=lambda: [full()], timeout=5, gone_after=1),
    "refused after it failed": Case(gates=lambda: [touchy()], retry=QUICK),
    "by a gate that raises": Case(gates=lambda: [Bad()], retry=QUICK),
    "refused inside": Case(refused_inside),
    "late inside": Case(late_inside),
    "cancelled by nobody": Case(lost),
    "left": Case(hang, gone_after=1),
    "left with a timeout": Case(hang, gone_after=1, timeout=5),
    "left between attempts": Case(retry=QUICK, gone_after=0.5),
}
FORMS = [by_run, by_outcome, by_block, by_loop, by_stream, by_its_later_items, by_what_it_throws]


async def garbage_of(play):
    """How many objects only the collector finds after *play*; other threads may leave some, too."""
    await play()
    gc.collect()
    gc.disable()
    try:
        await play()
        return gc.collect()
    finally:
        gc.enable()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_nothing_is_left_to_the_collector(form, case):
    for _ in range(3):
        if not (left := await garbage_of(lambda: case.play(form))):
            break
    assert left == 0
