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
from .call import Call
from .journey import Journey

__all__ = ["stream"]

T = TypeVar("T")


async def stream(
    journey: Journey, function: Callable[[], AsyncGenerator[T, None]]
) -> AsyncGenerator[T, None]:
    """The items of *function*'s generator, under *journey*."""
    call = Call(journey, ONE_REQUEST, None)
    while True:
        await journey.enter(call, call.admit())
        items = function()
        has_yielded = False
        try:
            while True:
                item = await _next(call, items)
                has_yielded = True
                yield item
        except StopAsyncIteration:
            journey.succeed(call, SUCCESS)
            return
        except BaseException as error:  # noqa: BLE001 - judged there, raised if it ends the call
            await items.aclose()
            if has_yielded:
                failed, _ = journey.judge(call, error)
                journey.give_up(call, failed)
                raise failed from error.__cause__
            await journey.back_off(call, error)


async def _next(call: Call, items: AsyncGenerator[T, None]) -> T:
    token = CURRENT.set(call)
    call.arm_for_a_step()
    try:
        return await anext(items)
    finally:
        call.disarm()
        CURRENT.reset(token)
