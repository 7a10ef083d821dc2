"""Async generators under a policy.

    admit --> [next item] --> yield --> [next item] ... --> end: settled as a success
                  |  nothing yielded yet: judged, perhaps begun again
                  +- something yielded: judged and raised; what was sent can't be unsent

The attempt's clock runs only while the generator is being asked, never in the
consumer's own time; its total is still one attempt timeout. A consumer that goes
away abandons the attempt.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import TypeVar

from ..deadline import CURRENT
from ..outcome import ONE_REQUEST, SUCCESS
from .call import Call, begin
from .journey import Journey

__all__ = ["stream"]

T = TypeVar("T")


async def stream(
    journey: Journey, function: Callable[[], AsyncGenerator[T, None]]
) -> AsyncGenerator[T, None]:
    """The items of *function*'s generator, under *journey*."""
    call = begin(journey, ONE_REQUEST, None, [])
    while True:
        call.admit()
        await journey.enter(call)
        items = function()
        has_yielded, paused_at = False, None
        try:
            while True:
                item = await _next(call, items)
                has_yielded, paused_at = True, journey.monotonic()
                yield item
                call.resume(paused_at, journey.monotonic())
                paused_at = None
        except StopAsyncIteration:
            journey.succeed(call, SUCCESS)
            return
        except BaseException as error:
            if paused_at is not None:
                await _leave(journey, call, items)
                raise
            if has_yielded:
                failed, _ = journey.judge(call, error)
                journey.give_up(call, failed)
                if failed is error:
                    raise
                raise failed from error
            await journey.back_off(call, error)


async def _leave(journey: Journey, call: Call, items: AsyncGenerator[T, None]) -> None:
    """The consumer goes away: nobody will know how the stream would have ended."""
    try:
        await items.aclose()
    finally:
        journey.abandon(call)


async def _next(call: Call, items: AsyncGenerator[T, None]) -> T:
    token = CURRENT.set(call)
    call.arm_for_a_step()
    try:
        item = await anext(items)
        # An item in spite of the timeout: the consumer must not find itself half cancelled.
        call.forgive_if_expired()
        return item
    finally:
        call.disarm()
        CURRENT.reset(token)
