"""Callers that each held one free gate's permit and refused one another, without an end."""

import asyncio
from functools import partial
from random import Random

import pytest

from koo.resilience import (
    ONE_REQUEST,
    SUCCESS,
    Ask,
    Bulkhead,
    BulkheadConfig,
    Limit,
    Policy,
    RateLimiter,
    RateLimiterConfig,
)
from koo.testing import run, running_clock

#: More looks at a gate than any of these loads needs, fewer than any that goes on for ever.
MANY = 10_000


class Counted(Bulkhead):
    """A bulkhead that counts how often it is asked, and ends what would never end."""

    asked = 0

    def admit(self, ask):
        self.asked += 1
        assert self.asked < MANY, "callers change places without an end"
        return super().admit(ask)


def _bulkheads(*names, room=1):
    return [Counted(name, BulkheadConfig(room), clock=running_clock()) for name in names]


def _behind(*gates, timeout=3):
    return Policy("dep", gates=gates, timeout=timeout, clock=running_clock())


async def _work(done, name):
    done.append(name)
    await asyncio.sleep(0.01)


def test_callers_in_two_lines_all_go_when_both_gates_are_free():
    async def calls():
        one, two = _bulkheads("one", "two")
        both, done = _behind(one, two), []
        held = two.admit(ONE_REQUEST)
        waiting = [asyncio.create_task(both.run(partial(_work, done, name))) for name in "XZ"]
        await asyncio.sleep(0)
        also_held = one.admit(ONE_REQUEST)
        waiting.append(asyncio.create_task(both.run(partial(_work, done, "Y"))))
        await asyncio.sleep(1)
        assert (one.waiting, two.waiting) == (1, 2)
        held.settle(SUCCESS)
        also_held.settle(SUCCESS)
        await asyncio.gather(*waiting)
        assert done == ["X", "Z", "Y"]
        assert one.asked + two.asked < 50

    run(calls())


def test_who_changes_lines_goes_before_who_came_later():
    async def calls():
        one, two = _bulkheads("one", "two")
        both, only_one, done = _behind(one, two), _behind(one), []
        held = two.admit(ONE_REQUEST)
        first = asyncio.create_task(both.run(partial(_work, done, "first")))
        await asyncio.sleep(1)
        also_held = one.admit(ONE_REQUEST)
        later = asyncio.create_task(only_one.run(partial(_work, done, "later")))
        await asyncio.sleep(0)
        held.settle(SUCCESS)
        also_held.settle(SUCCESS)
        await asyncio.gather(first, later)
        assert done == ["first", "later"]

    run(calls())


def test_who_changes_lines_waits_behind_who_came_before():
    async def calls():
        one, two = _bulkheads("one", "two")
        both, only_one, done = _behind(one, two), _behind(one), []
        also_held = one.admit(ONE_REQUEST)
        before = asyncio.create_task(only_one.run(partial(_work, done, "before")))
        await asyncio.sleep(0)
        second = asyncio.create_task(both.run(partial(_work, done, "second")))
        await asyncio.sleep(0)
        also_held.settle(SUCCESS)
        await asyncio.gather(before, second)
        assert done == ["before", "second"]
        assert (one.stats().in_flight, two.stats().in_flight) == (0, 0)

    run(calls())


class Crossing:
    """A bulkhead that is full and a limiter with little room, and who waits for either."""

    def __init__(self):
        self.done = []
        [self.narrow] = _bulkheads("narrow")
        config = RateLimiterConfig((Limit(10, 60.0),))
        self.limiter = RateLimiter("slow", config, clock=running_clock())
        self.limiter.admit(Ask(5)).settle(SUCCESS)
        self._held = self.narrow.admit(ONE_REQUEST)
        self._calls = []

    async def wait_for_the_bulkhead(self, name, limiter=None):
        gates = [self.narrow, limiter or self.limiter]
        await self._begin(_behind(*gates, timeout=999), name, ONE_REQUEST)

    async def wait_for_the_limiter(self, name):
        await self._begin(_behind(self.limiter, timeout=999), name, Ask(8))

    async def _begin(self, policy, name, ask):
        self._calls.append(asyncio.create_task(policy.run(partial(_work, self.done, name), ask)))
        await asyncio.sleep(0.001)

    async def end(self):
        self._held.settle(SUCCESS)
        await asyncio.gather(*self._calls)


def test_who_is_called_stands_back_for_whom_another_gate_has_let_wait_longer():
    async def calls():
        crossing = Crossing()
        await crossing.wait_for_the_limiter("large")
        await crossing.wait_for_the_bulkhead("small")
        await crossing.end()
        assert crossing.done == ["large", "small"]

    run(calls())


def test_who_is_called_does_not_stand_back_for_whoever_came_later():
    async def calls():
        crossing = Crossing()
        await crossing.wait_for_the_bulkhead("small")
        await crossing.wait_for_the_limiter("large")
        refused = crossing.limiter.stats().rejected_total
        await crossing.end()
        assert crossing.done == ["small", "large"]
        assert crossing.limiter.stats().rejected_total == refused

    run(calls())


def test_as_many_as_fit_into_a_line_can_change_to_another():
    async def calls():
        crossing, [full] = Crossing(), _bulkheads("full")
        held = full.admit(ONE_REQUEST)
        for number in range(500):
            await crossing.wait_for_the_bulkhead(number, full)
        ending = asyncio.create_task(crossing.end())
        await asyncio.sleep(0.001)
        assert (crossing.narrow.waiting, full.waiting) == (0, 500)
        held.settle(SUCCESS)
        await ending
        assert crossing.done == list(range(500))

    run(calls())


def test_what_is_wrong_with_another_line_is_told_to_who_waits_and_not_to_who_leaves():
    class Broken(Counted):
        is_broken = False

        def admit(self, ask):
            if self.is_broken:
                raise ValueError("broken")
            return super().admit(ask)

    async def calls():
        [one] = _bulkheads("one")
        other = Broken("other", BulkheadConfig(1), clock=running_clock())
        held = one.admit(ONE_REQUEST)
        waiting = asyncio.create_task(_behind(one, other).run(partial(_work, [], "")))
        await asyncio.sleep(1)
        other.is_broken = True
        held.settle(SUCCESS)
        with pytest.raises(ValueError, match="broken"):
            await waiting
        assert (one.waiting, one.stats().in_flight) == (0, 0)

    run(calls())


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_load_all_are_served_and_nobody_changes_places_for_ever(seed):
    async def calls():
        random, done = Random(seed), []
        gates = _bulkheads("one", "two", "three", room=1 + seed % 3)
        limiter = RateLimiter("four", RateLimiterConfig((Limit(20, 1.0),)), clock=running_clock())
        policies = [
            _behind(*random.sample([*gates, limiter], random.randint(1, 4)), timeout=999)
            for _ in range(8)
        ]

        async def one_call(number):
            await asyncio.sleep(random.randint(0, 20) / 10)
            ask = Ask(random.randint(1, 5), priority=random.randint(0, 1))
            await random.choice(policies).run(partial(_work, done, number), ask)

        await asyncio.gather(*map(one_call, range(60)))
        assert sorted(done) == list(range(60))
        assert [gate.stats().in_flight for gate in gates] == [0, 0, 0]

    run(calls())
