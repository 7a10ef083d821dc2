"""Async generators under a policy.

    admit --> [next item] --> yield --> [next item] ... --> end: settled as a success
                  |  nothing yielded yet: judged, perhaps begun again
                  +- something yielded: judged and raised; what was sent can't be unsent

The attempt's clock runs only while the generator is being asked, never in the
consumer's own time; its total is still one attempt timeout, unless a pace says how
long the first item and each gap may take. Its duration is that total. How quick it is,
says the first item: that a stream is long says nothing against it. A consumer that goes
away abandons the attempt. What it sends or throws, the generator hears as it would without
a policy; an error of the consumer's that comes back is nobody's failure. The last item says
what the attempt has spent, if the policy has an appraiser.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from ..checking import check_finite
from ..classifier import cancellations_behind
from ..deadline import CURRENT, leave
from ..outcome import ONE_REQUEST, SUCCESS, Ask
from .call import Call, begin
from .journey import Journey, goes_on

__all__ = ["Pace", "stream"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long a stream may keep its consumer waiting, in seconds.

    The *first* item must come within so long of the call (None: its whole
    timeout), whatever the line, the attempts and the backoff take; the attempt
    timeout bounds an attempt only until then. After it, each *gap* counts from
    the moment at which the next item is asked for.
    """

    gap: float
    first: float | None = None

    def __post_init__(self) -> None:
        """Refuse a pace that nothing could keep."""
        check_finite(self, "gap", optional=("first",))
        if not (self.gap > 0 and (self.first is None or self.first > 0)):
            raise ValueError("Pace: gap and first must be above 0 seconds")


async def stream(
    journey: Journey,
    function: Callable[[], AsyncGenerator[T, None]],
    ask: Ask = ONE_REQUEST,
    *,
    timeout: float | None = None,
    pace: Pace | None = None,
) -> AsyncGenerator[T, None]:
    """The items of *function*'s generator, under *journey*."""
    call = begin(journey, ask, timeout, [])
    start = _Start(call, pace)
    while True:
        journey.ask_gates(call)
        await journey.enter(call)
        has_yielded = False
        item: T
        try:
            source = _Source(function())
            while True:
                item = await _take(call, source.step, pace.gap if pace and has_yielded else None)
                paused_at = journey.monotonic()
                if not has_yielded:
                    start.is_over()
                    call.answered(paused_at)
                has_yielded = True
                try:
                    source.go_on((yield item))
                except GeneratorExit:
                    await _leave(journey, call, source.items)
                    raise
                except BaseException as error:  # noqa: BLE001 - the generator's to hear, as without us
                    source.throw(error)
                call.resume(paused_at, journey.monotonic())
        except StopAsyncIteration:
            is_free = journey.appraise is None or not has_yielded
            journey.succeed(call, SUCCESS if is_free else journey.appraise_safely(item))
            return
        except BaseException as error:
            if call.has_ended:
                raise
            begun = source if has_yielded else None
            if not goes_on(await _back_off(journey, call, error, begun), error):
                raise


async def _back_off(
    journey: Journey, call: Call, error: BaseException, begun: _Source[T] | None
) -> BaseException | None:
    """Settle an attempt that raised; None when the next may begin, which none does once *begun*."""
    if begun is None:
        return await journey.back_off(call, error)
    if not begun.heard(error):
        return journey.end(call, error)
    call.stop_clock()
    journey.abandon(call)
    return error


class _Source(Generic[T]):
    """The generator, and the step that its consumer wants of it next."""

    __slots__ = ("_ask_next", "_thrown", "items", "step")

    def __init__(self, items: AsyncGenerator[T, Any]) -> None:
        self.items = items
        self._ask_next: Callable[[], Awaitable[T]] = items.__anext__
        self._thrown: BaseException | None = None
        self.step: Callable[[], Awaitable[T]] = self._ask_next

    def go_on(self, sent: object) -> None:
        """Ask for the next item, which may depend on what was *sent*."""
        if sent is not None or self.step is not self._ask_next:
            self._thrown = None
            self.step = self._ask_next if sent is None else partial(self.items.asend, sent)

    def throw(self, error: BaseException) -> None:
        """Have it hear *error*."""
        self._thrown = error
        self.step = partial(self.items.athrow, error)

    def heard(self, error: BaseException) -> bool:
        """Whether *error* is what its consumer has thrown, or was raised from that.

        Of a cancellation it is also what the cleanup has made of it, as in every other form.
        """
        thrown = self._thrown
        if thrown is None:
            return False
        if error is thrown or error.__cause__ is thrown:
            return True
        return any(cut is thrown for cut in cancellations_behind(error))


class _Start:
    """The time until the first item: a sooner deadline for a while."""

    __slots__ = ("_call", "_deadline_at", "_is_ours")

    def __init__(self, call: Call, pace: Pace | None) -> None:
        self._call = call
        self._deadline_at, self._is_ours = call.deadline_at, call.is_ours
        if pace is None or pace.first is None:
            return
        starts_by = call.began + pace.first
        if call.deadline_at is None or starts_by < call.deadline_at:
            call.deadline_at, call.is_ours = starts_by, True

    def is_over(self) -> None:
        """The first item is there: the deadline of the whole call counts again."""
        self._call.deadline_at, self._call.is_ours = self._deadline_at, self._is_ours


async def _leave(journey: Journey, call: Call, items: AsyncGenerator[T, None]) -> None:
    """The consumer goes away: nobody will know how the stream would have ended."""
    try:
        await items.aclose()
    finally:
        journey.abandon(call)


async def _take(call: Call, step: Callable[[], Awaitable[T]], gap: float | None) -> T:
    token = CURRENT.set(call)
    call.arm_for_a_step(gap)
    try:
        item = await step()
        # An item in spite of the timeout: the consumer must not find itself half cancelled.
        call.forgive_if_expired()
        return item
    finally:
        call.disarm()
        leave(token)
