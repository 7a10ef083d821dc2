"""Circuit breakers whose probes go astray, whose callers leave, and whose wall clock is set.

    twenty calls --> five failures --> open, 10 s --> a probe --> late answers | cancelled | hung
                                         +--> the wall clock is set back an hour, or forward
    a hundred calls that are cancelled while all is well

Each case asks only for what is right whatever a breaker's rules are.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial

from koo.resilience import BreakerConfig, CircuitBreaker, Policy, State
from koo.testing import run, running_clock

__all__ = ["CASES", "Guard", "Guarded", "Operation", "failed_cases", "guarded_by_koo"]

_HOUR = 3_600.0
_DAY = 86_400.0

#: Longer than the open wait and what may be added to it by chance.
_RECOVERY = 12.0

Operation = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Guarded:
    """An operation behind a breaker that five failures open for 10 s."""

    call: Operation
    is_closed: Callable[[], bool]


#: Puts a breaker before an operation.
Guard = Callable[[Operation], Guarded]


def guarded_by_koo(operation: Operation) -> Guarded:
    """The operation behind koo's breaker."""
    clock = running_clock()
    breaker = CircuitBreaker(
        "dependency",
        BreakerConfig(recovery_timeout=10.0),
        clock=clock,
        random=random.Random(1).random,
    )
    policy = Policy("dependency", gates=[breaker], clock=clock)
    return Guarded(partial(policy.run, operation), lambda: breaker.stats().state is State.CLOSED)


def failed_cases(
    guard: Guard, clocks: Callable[[], AbstractContextManager[None]] = nullcontext
) -> tuple[str, ...]:
    """The cases in which a breaker does wrong; in *clocks* its clocks are the running loop's."""

    async def judged(case: Case) -> bool:
        with clocks():
            return await case(_Stage(guard))

    return tuple(name for name, case in CASES.items() if not run(judged(case)))


class _Stage:
    """A dependency behind a breaker; how it meets a call is said as the call begins."""

    def __init__(self, guard: Guard) -> None:
        self.clock = running_clock()
        self._requests = 0
        self._meet: Operation = _answer

        async def ask() -> None:
            self._requests += 1
            await self._meet()

        guarded = guard(ask)
        self._call, self.is_closed = guarded.call, guarded.is_closed

    async def begin(self, meet: Operation) -> asyncio.Task[None]:
        """A call that has just reached the dependency, or was refused."""
        self._meet = meet
        call = asyncio.create_task(_ignoring(self._call))
        await self.clock.sleep(0.01)
        return call

    async def passes(self) -> bool:
        """Whether a call that begins now reaches the dependency."""
        before = self._requests
        await self.begin(_answer)
        return self._requests > before

    async def trip(self) -> None:
        for _ in range(5):
            await (await self.begin(_fail))

    async def recover(self) -> None:
        await self.trip()
        await self.clock.sleep(_RECOVERY)


Case = Callable[[_Stage], Awaitable[bool]]


async def _late_answers(stage: _Stage) -> bool:
    """What had begun before the outage closes nothing, though it is answered beside a probe."""
    for _ in range(20):
        await stage.begin(_answer_late)
    await stage.recover()
    await stage.begin(_hang)
    await stage.clock.sleep(5.0)
    return not stage.is_closed()


async def _cancelled_probe(stage: _Stage) -> bool:
    """Who leaves has seen nothing: it closes nothing, opens nothing, and the next may probe."""
    await stage.recover()
    await _leave([await stage.begin(_hang)])
    return not stage.is_closed() and await stage.passes()


async def _hung_probe(stage: _Stage) -> bool:
    """It keeps nobody out for ever."""
    await stage.recover()
    await stage.begin(_hang)
    await stage.clock.sleep(100.0)
    return await stage.passes()


async def _cancelled_calls(stage: _Stage) -> bool:
    """Callers that leave are no failures of the dependency."""
    await _leave([await stage.begin(_hang) for _ in range(100)])
    return stage.is_closed() and await stage.passes()


async def _set_back(stage: _Stage) -> bool:
    """The wait is over when it is over."""
    await stage.trip()
    stage.clock.step_wall(-_HOUR)
    await stage.clock.sleep(_RECOVERY)
    return await stage.passes()


async def _set_forward(stage: _Stage) -> bool:
    """The wait is not over before it is."""
    await stage.trip()
    stage.clock.step_wall(_HOUR)
    return not await stage.passes()


CASES: dict[str, Case] = {
    "late answers": _late_answers,
    "a cancelled probe": _cancelled_probe,
    "a hung probe": _hung_probe,
    "cancelled calls": _cancelled_calls,
    "a clock set back": _set_back,
    "a clock set forward": _set_forward,
}


async def _answer() -> None:
    await asyncio.sleep(0.05)


async def _answer_late() -> None:
    await asyncio.sleep(15.0)


async def _fail() -> None:
    await asyncio.sleep(0.05)
    raise ConnectionError


async def _hang() -> None:
    await asyncio.sleep(_DAY)


async def _leave(calls: list[asyncio.Task[None]]) -> None:
    for call in calls:
        call.cancel()
    await asyncio.wait(calls)


async def _ignoring(operation: Operation) -> None:
    with suppress(Exception):
        await operation()
