"""A hundred thousand schedules drawn by lot: whatever callers do, no wrong move and nothing lost.

A schedule is a handful of calls, in every form, on a loop that permutes its ready queue: answers,
failures, refusals as wrong, throttling, hangs, probes that outlive their lease or do not hear their
timeout, task groups that fail inside and leave their cancellation behind, replies that somebody
else has cancelled, callers that cancel at any moment or throw into what they read, permits that
nobody settles but the collector, whenever it comes, and a wall clock that jumps by an hour. Some
begin with a dependency that has answered for a while, so that few failures are no half of the
window. A judge around the breaker knows from the outcomes alone which moves it may make, and which
it must.
"""

import asyncio
import gc
import random
from collections import Counter
from contextlib import aclosing, asynccontextmanager, suppress

import pytest

from koo.errors import KooError
from koo.resilience import (
    ABANDONED,
    SUCCESS,
    Ask,
    Failure,
    Permit,
    RetryClass,
    RetryConfig,
    State,
)
from koo.resilience.gate import TimedPermit
from koo.testing import run, running_clock

from ..tools import calls, trip
from .breaker_oracle import BreakerOracle, Entry, evidence
from .world import ASK, Broken, World

pytestmark = [pytest.mark.properties, pytest.mark.timeout(0)]

SCHEDULES = 100_000
BATCH = 100
RECOVERY = 10.0
FAILURES = 3
SUCCESSES = 2

#: Allocations from one collection to the next.
PACE = 101

FORMS = ("run", "run", "outcome", "block", "stream", "context", "loop")
EVENTS = {
    *("by a run", "by its share", "probes", "probes given up", "stale outcomes", "callers gone"),
    *("probes after a lease that was over", "hours that the wall clock jumped"),
    *("permits forgotten", "errors thrown in"),
}
FATES = (
    *("answer", "answer", "answer", "fail", "fail", "wrong", "throttled", "hang"),
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


class Judged:
    """A breaker whose every permit and outcome is written down, era by era."""

    name = "judged"
    double_settled_total = 0

    def __init__(self, seen):
        self.seen = seen
        self.breaker = self.oracle = None
        self.state = State.CLOSED
        self.era = self.good = self.bad = 0
        self.since = 0.0
        self.permits = {}
        self.lease = None
        self.leases = {}
        self.faults = []

    def admit(self, ask):
        answer, now = self.breaker.admit(ask), running_clock().monotonic()
        is_probing = self.state is State.HALF_OPEN
        running = [end for end in self.leases.values() if end > now]
        if not isinstance(answer, Permit):
            self.expect(running or not is_probing, "refused because of a lease that is over")
            return answer
        self.expect(not running or not is_probing, "two probes at once")
        self.seen["probes"] += is_probing
        self.seen["probes after a lease that was over"] += is_probing and bool(self.leases)
        permit = TimedPermit(self, ask, now, self.era)
        self.permits[id(permit)] = answer
        self.leases[id(permit)] = now + (self.lease or RECOVERY)
        return permit

    def lease_for(self, seconds):
        self.lease = seconds
        self.breaker.lease_for(seconds)

    def lease_extended(self, permit, until):
        if self.leases.get(id(permit), 0.0) > running_clock().monotonic():
            self.leases[id(permit)] = max(until, self.leases[id(permit)])
        self.permits[id(permit)].extend_lease(until)

    def answered(self, permit):
        self.leases.pop(id(permit), None)
        self.permits[id(permit)].answered()

    def settled(self, permit, outcome):
        self.leases.pop(id(permit), None)
        self.seen["stale outcomes"] += permit.generation != self.era
        if permit.generation == self.era:
            self.seen["probes given up"] += self.state is State.HALF_OPEN and outcome is ABANDONED
            self.bad += evidence(outcome) is True
            self.good += evidence(outcome) is False
        must, before = self.verdicts(permit, outcome), self.state
        self.permits.pop(id(permit)).settle(outcome)
        opened = (before, self.state) == (State.CLOSED, State.OPEN)
        self.expect(before is not State.CLOSED or opened in must, f"opened: {opened}, not {must}")
        is_decided = self.bad or self.good >= SUCCESSES
        self.expect(self.state is not State.HALF_OPEN or not is_decided, "decided, but not moved")

    def verdicts(self, permit, outcome):
        """Whether *outcome* must open it: the rule, on all that was heard since it closed."""
        failed = evidence(outcome)
        if permit.generation != self.era or self.state is not State.CLOSED or failed is None:
            return {False}
        now = running_clock().monotonic()
        self.oracle.log.append(Entry(now, failed, slow=False))
        return self.oracle.is_failing(now) if failed else {False}

    def cancelled(self, permit):
        self.leases.pop(id(permit), None)
        self.permits.pop(id(permit)).cancel()

    def heard(self, event):
        may = {
            (State.CLOSED, State.OPEN): self.bad >= FAILURES,
            (State.OPEN, State.HALF_OPEN): True,
            (State.HALF_OPEN, State.OPEN): self.bad == 1,
            (State.HALF_OPEN, State.CLOSED): self.good == SUCCESSES,
        }
        before, after = State(event.before), State(event.after)
        seen = f"{before} to {after} after {self.good} good and {self.bad} bad"
        self.expect(before is self.state and may.get((before, after), False), seen)
        if before is State.CLOSED:
            self.seen["by a run" if "in a row" in event.cause else "by its share"] += 1
        self.oracle.log.clear()
        self.state, self.good, self.bad = after, 0, 0
        self.since = running_clock().monotonic()
        self.era += 1
        self.leases.clear()

    def begin(self):
        """A request is sent; who was let in before in this instant could not know."""
        is_shut = self.state is State.OPEN and self.since < running_clock().monotonic()
        self.expect(not is_shut, "sent through an open circuit")

    def expect(self, holds, otherwise):
        """Gates and listeners can't raise, so what went wrong is kept."""
        if not holds:
            self.faults.append(otherwise)


class Schedule:
    """One schedule; *seen* counts what came up in all of them."""

    def __init__(self, dice, seen):
        self.dice, self.seen = dice, seen
        self.calls = 0
        #: How often a group has left each task counted as cancelled.
        self.left = Counter()
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
            asyncio.get_running_loop().call_later(delay, me.cancel)
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
            yield await self.visit()

        return items

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
        """One attempt at the dependency, whose fate is drawn."""
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
        await asyncio.sleep(dice.choice([3.0, 20.0] if fate == "hang" else [0.0, 0.1, 1.0, 2.0]))
        match fate:
            case "fail":
                raise Broken
            case "wrong":
                raise Wrong
            case "throttled":
                raise Throttled
            case "cancelled by nobody" if not asyncio.current_task().cancelling():
                reply = asyncio.get_running_loop().create_future()
                reply.cancel()
                await reply
        return "answer"

    async def group(self):
        """Something that fails inside without harm."""
        me = asyncio.current_task()
        before = me.cancelling()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.fail())
        except* Broken:
            self.left[me] += me.cancelling() - before

    async def fail(self):
        raise Broken


async def batch(dice, seen):
    for _ in range(BATCH):
        await Schedule(dice, seen).play()


@pytest.fixture
def collector():
    """It comes often, and looks only at what a schedule makes."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(PACE, *before[1:])
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


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
