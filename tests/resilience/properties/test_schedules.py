"""A hundred thousand schedules drawn by lot: whatever callers do, no wrong move and nothing lost.

A schedule is a handful of calls, in every form, on a loop that permutes its ready queue: answers,
failures, refusals as wrong, throttling, hangs, probes that outlive their lease or do not hear their
timeout or their caller, task groups that fail inside and leave their cancellation behind, limits
and groups inside that cut what they hold, replies that somebody else has cancelled, callers that
cancel at any moment or throw into what they read, generators whose rollback fails, permits that
nobody settles but the collector, whenever it comes, and a wall clock that jumps by an hour. A
caller that has gone is never called back, and is nobody's failure; what fails while it stays is
one. Some begin with a dependency that has answered for a while, so that few failures are no half of
the window.
"""

import asyncio
import gc
import random
from collections import Counter
from contextlib import aclosing, asynccontextmanager, suppress

import anyio
import pytest

from koo.errors import KooError
from koo.resilience import (
    SUCCESS,
    Ask,
    Failure,
    Permit,
    RetryClass,
    RetryConfig,
    State,
)
from koo.resilience.policy.call import GROUPS_LEAVE_A_COUNT
from koo.testing import run

from ..tools import calls, trip
from .breaker_oracle import BreakerOracle
from .judged import FAILURES, RECOVERY, SUCCESSES, Judged
from .world import ASK, Broken, World

pytestmark = [pytest.mark.properties, pytest.mark.timeout(0)]

SCHEDULES = 100_000
BATCH = 100

#: Allocations from one collection to the next.
PACE = 101

FORMS = ("run", "run", "outcome", "block", "stream", "context", "loop")
EVENTS = {
    *("by a run", "by its share", "probes", "probes given up", "stale outcomes", "callers gone"),
    *("probes after a lease that was over", "hours that the wall clock jumped"),
    *("permits forgotten", "errors thrown in", "rollbacks that failed", "cancellations swallowed"),
}
FATES = (
    *("answer", "answer", "answer", "fail", "fail", "wrong", "throttled", "hang"),
    *("fail in a limit", "fail in a group"),
    *("cancelled by nobody", "group", "deaf"),
)
#: What may follow a fate that is only a beginning.
ENDINGS = FATES[:-3]


class Wrong(Exception):
    """The request was at fault."""


class Throttled(Exception):
    """The dependency asks for fewer calls."""


class Thrown(Exception):
    """The consumer's own, thrown into what it reads."""


class Forgotten:
    """A permit that only the collector can find."""

    def __init__(self, permit):
        self.me, self.permit = self, permit


def classify(error):
    match error:
        case Throttled():
            return Failure(retryable=True, trips=False, retry_class=RetryClass.THROTTLED)
        case Broken():
            return Failure(retryable=True, trips=True)
    return Failure(retryable=False, trips=False)


class Schedule:
    """One schedule; *seen* counts what came up in all of them."""

    def __init__(self, dice, seen):
        self.dice, self.seen = dice, seen
        self.calls = 0
        #: How often a group has left each task counted as cancelled.
        self.left = Counter()
        #: The tasks that were cancelled; those that went on all the same; those that have ended so.
        self.cut, self.deaf, self.ended = set(), set(), set()
        self.judged = Judged(seen)
        self.world = World(
            places=dice.choice([1, 2, 9]),
            on_event=self.judged.heard,
            failure_threshold=FAILURES,
            success_threshold=SUCCESSES,
            recovery_timeout=RECOVERY,
            streak_span=dice.choice([0.0, 1.0]),
        )
        self.judged.breaker = self.world.breaker
        self.judged.oracle = BreakerOracle(self.world.breaker._config, luck=0.0)
        self.through = self.world.policy(
            gates=[self.world.limiter, self.judged, self.world.money, self.world.room],
            classify=classify,
            timeout=dice.choice([None, 3.0, 30.0]),
            attempt_timeout=dice.choice([None, 2.0]),
            retry=dice.choice([None, RetryConfig(max_retries=2)]),
        )

    async def play(self):
        dice = self.dice
        if dice.random() < 0.5:
            trip(self.judged)
            await asyncio.sleep(RECOVERY + dice.choice([-0.5, 0.0, 0.5]))
        else:
            calls(self.judged, dice.choice([0, 1, 2, 4, 8]))
        callers = [asyncio.create_task(self.caller()) for _ in range(dice.randint(2, 6))]
        if dice.random() < 0.3:
            hour = dice.choice([-3600.0, 3600.0])
            self.seen["hours that the wall clock jumped"] += 1
            self.world.clock.step_wall(hour)
        await asyncio.wait(callers)
        for caller in callers:
            self.seen["callers gone"] += caller.cancelled()
            if not caller.cancelled():
                caller.result()
        self.nothing_is_held()
        await self.the_way_is_free()
        assert not self.judged.faults, self.judged.faults

    def nothing_is_held(self):
        gc.collect()
        world = self.world
        room, money, breaker = (gate.stats() for gate in (world.room, world.money, world.breaker))
        assert (room.in_flight, room.waiting) == (0, 0)
        assert (money.reserved_nanousd, breaker.probes) == (0, 0)
        assert not self.judged.permits
        assert [gate.double_settled_total for gate in (*world.gates, self.judged)] == [0] * 5
        assert self.through.stats().calls_total == self.calls

    async def the_way_is_free(self):
        """A dependency that is well is reached again, after one open wait at most."""
        for _ in range(SUCCESSES):
            await asyncio.sleep(self.world.breaker.stats().retry_after)
            answer = self.judged.admit(ASK)
            assert isinstance(answer, Permit), f"wedged: {answer}"
            answer.settle(SUCCESS)
        assert self.world.breaker.stats().state is State.CLOSED

    async def caller(self):
        dice = self.dice
        await asyncio.sleep(dice.choice([0.0, 0.0, 0.5, 1.0, 5.0]))
        me, is_cut = asyncio.current_task(), dice.random() < 0.4
        if is_cut:
            delay = dice.choice([0.0, 0.0, 0.5, 1.0, 2.0, 4.5])
            asyncio.get_running_loop().call_later(delay, self.cancel, me)
        form = dice.choice(FORMS)
        self.seen[form] += 1
        self.calls += 1
        if dice.random() < 0.2:
            self.forget()
        try:
            with suppress(KooError, Broken, Wrong, Throttled, Thrown):
                await getattr(self, form)()
        except asyncio.CancelledError:
            assert is_cut, "cancelled by nobody"
            raise
        assert is_cut or me.cancelling() <= self.left[me], "half cancelled"

    def cancel(self, caller):
        if caller.cancel():
            self.cut.add(caller)

    def forget(self):
        permit = self.world.room.admit(ASK)
        if isinstance(permit, Permit):
            self.seen["permits forgotten"] += 1
            Forgotten(permit)

    async def run(self):
        await self.through.run(self.visit, ASK)

    async def outcome(self):
        await self.through.outcome(self.visit, ASK)

    async def block(self):
        async with self.through.permit(Ask(priority=1)):
            await self.visit()

    async def loop(self):
        async for attempt in self.through.asking(ASK):
            async with attempt:
                await self.visit()

    def items(self):
        @self.through.asking(ASK)
        async def items():
            item = await self.visit()
            try:
                yield item
            except BaseException as error:
                await self.roll_back(error)
                raise

        return items

    async def roll_back(self, error):
        """What follows *error* of the consumer's, perhaps its cancellation; it may fail."""
        me = asyncio.current_task()
        if me in self.cut and not isinstance(error, Thrown):
            self.judged.gone.add(me)
        if self.dice.random() < 0.5:
            self.seen["rollbacks that failed"] += 1
            raise Broken

    async def stream(self):
        async with aclosing(self.items()()) as stream:
            async for _ in stream:
                await asyncio.sleep(self.dice.choice([0.0, 1.0]))

    async def context(self):
        async with asynccontextmanager(self.items())():
            await asyncio.sleep(self.dice.choice([0.0, 1.0]))
            if self.dice.random() < 0.5:
                self.seen["errors thrown in"] += 1
                raise Thrown

    async def visit(self):
        """One attempt at the dependency, and the last one if its caller has gone."""
        me = asyncio.current_task()
        self.judged.expect(me not in self.ended, "begun again although its caller has gone")
        try:
            return await self.attempt(me)
        except asyncio.CancelledError:
            if me in self.cut:
                self.ended.add(me)
                self.seen["cancellations swallowed"] += me in self.deaf
                if me not in self.deaf or not GROUPS_LEAVE_A_COUNT:
                    self.judged.gone.add(me)
            raise
        except Exception:
            self.judged.failed = None if me in self.cut else me
            if GROUPS_LEAVE_A_COUNT or self.through.lane_timeout is None:
                # That it was cancelled before, nobody knows any more.
                self.cut.discard(me)
            elif me in self.cut:
                self.ended.add(me)
            raise

    async def attempt(self, me):
        """What is done at the dependency, whose fate is drawn."""
        dice, fate = self.dice, self.dice.choice(FATES)
        self.seen[fate] += 1
        self.judged.begin()
        if fate == "deaf":
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(dice.choice([1.0, 6.0]))
            fate = dice.choice(ENDINGS)
        if fate == "group":
            await self.group()
            fate = dice.choice(ENDINGS)
        if me in self.cut:
            self.deaf.add(me)
        await asyncio.sleep(dice.choice([3.0, 20.0] if fate == "hang" else [0.0, 0.1, 1.0, 2.0]))
        match fate:
            case "fail":
                raise Broken
            case "wrong":
                raise Wrong
            case "throttled":
                raise Throttled
            case "fail in a limit":
                await self.limited()
            case "fail in a group":
                await self.grouped()
            case "cancelled by nobody" if not asyncio.current_task().cancelling():
                reply = asyncio.get_running_loop().create_future()
                reply.cancel()
                await reply
        return "answer"

    async def group(self):
        """Something that fails inside without harm."""
        with suppress(Broken):
            await self.grouped(0.0)

    async def grouped(self, seconds=2.0):
        """A group one of whose tasks fails, perhaps before its block has ended."""
        me = asyncio.current_task()
        before = me.cancelling()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.fail())
                await asyncio.sleep(seconds)
        except ExceptionGroup as group:
            self.left[me] += me.cancelling() - before
            raise Broken from group

    async def limited(self):
        """A limit of another library's, which is too short."""
        try:
            with anyio.fail_after(self.dice.choice([0.1, 1.0])):
                await asyncio.sleep(20)
        except TimeoutError as late:
            raise Broken from late

    async def fail(self):
        await asyncio.sleep(self.dice.choice([0.0, 1.0]))
        raise Broken


async def batch(dice, seen):
    for _ in range(BATCH):
        await Schedule(dice, seen).play()


@pytest.fixture
def collector():
    """It comes often, and looks only at what a schedule makes; afterwards not at it either."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(PACE, *before[1:])
    yield
    gc.set_threshold(*before)


@pytest.mark.usefixtures("collector")
def test_no_schedule_moves_the_breaker_wrongly_wedges_it_or_loses_a_permit(
    scale, seed, record_property
):
    seen, batches = Counter(), round(SCHEDULES * scale / BATCH)
    for number in range(seed, seed + batches):
        try:
            run(batch(random.Random(number), seen), seed=number)
        except BaseException as error:
            error.add_note(f"in the batch of seed {number}")
            raise
    assert set(+seen) == {*FORMS, *FATES, *EVENTS}
    record_property("counted", {"schedules": batches * BATCH, "seed": seed, **seen})
