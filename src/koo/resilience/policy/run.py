"""The policy: one call's whole journey, in an order that is fixed.

    caller -> [deadline -> gates admit (all or none) -> attempt -> classify -> settle all] -> value
                  ^                                                   |
                  +----- wait (backoff, retry_after, or the line) <- retry?   (budget, deadline)

Who needs another order nests two policies. The innermost policy retries and
marks the error that it gives up on; an outer one never retries a marked error.

    value = await policy.run(operation)       a call
    @policy                                   a decorator: coroutine functions, async generators
    policy.stream(generator_function)         the items of an async generator
    async with policy.permit() as attempt:    one attempt around a block
    async for attempt in policy:              a block that can run again
        async with attempt: ...
    policy.asking(ask)                        the decorator and the loop for more than a request
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, ParamSpec, TypeVar, overload

from ..deadline import CURRENT
from ..gate import Permit
from ..outcome import ONE_REQUEST, SUCCESS, Ask
from .call import Call, admit_all, begin
from .compose import check_timeout, explain
from .forms import Asking, Attempt
from .generators import Pace, stream
from .journey import Journey, goes_on
from .stats import CallOutcome

__all__ = ["Policy"]

# Bound once: asked for anew at each call they cost twice as much.
_named_call, _enter_context, _leave_context = CURRENT.get, CURRENT.set, CURRENT.reset

P = ParamSpec("P")
T = TypeVar("T")


class Policy(Journey):
    """Runs operations through gates, within a deadline, and again when that is worthwhile.

    *timeout* bounds a whole call (line, attempts, backoff), *attempt_timeout* one
    attempt, *patience* the time in line before each attempt: None waits as long as
    the deadline allows, and not at all without one. All in seconds. Without *retry* there is
    one attempt. The retry budget is the policy's own unless one is shared;
    ``None`` turns it off. Raises ValueError for a composition that makes no sense.
    """

    __slots__ = ()

    def run(
        self,
        operation: Callable[[], Awaitable[T]],
        ask: Ask = ONE_REQUEST,
        *,
        timeout: float | None = None,
    ) -> Coroutine[Any, Any, T]:
        """What *operation* returns; called again after failures that are worth it.

        Raises the last real error, a Rejected if nothing was ever sent, or
        DeadlineExceeded. *timeout* replaces the policy's own for this call; its
        time runs from when it is awaited, in the context of whoever awaits it. Raises
        ValueError at once for a *timeout* that is no finite number, as every form does but
        ``outcome``, which says so when it is awaited.
        """
        if timeout is not None:
            check_timeout(self.name, timeout)
        return self._drive(operation, ask, timeout)

    async def outcome(
        self,
        operation: Callable[[], Awaitable[T]],
        ask: Ask = ONE_REQUEST,
        *,
        timeout: float | None = None,
    ) -> CallOutcome[T]:
        """How the call ended, without raising; only the caller's own cancellation passes."""
        if timeout is not None:
            check_timeout(self.name, timeout)
        permits: list[Permit] = []
        call, refusal = None, None
        try:
            if timeout is None and ask.deadline is None and _named_call() is None:
                # No deadline can have come: the gates are asked before there is a call to refuse.
                refusal = admit_all(self, ask, None, permits)
            else:
                call = begin(self, ask, timeout, permits)
                self.ask_gates(call)
                refusal = call.refusal
        except Exception as error:  # noqa: BLE001 - a gate's own, which an outcome tells as well
            # ask_gates() has counted its own.
            self.memory.failures_total += call is None
            return CallOutcome(None, error, 0, 0.0)
        if refusal is not None and refusal.line is None:
            self.count_refusal(refusal)
            return CallOutcome(None, refusal, 0, 0.0)
        if call is None:
            call = begin(self, ask, None, permits)
            call.refusal = refusal
        try:
            value = await self._drive(operation, ask, timeout, call)
        except Exception as error:  # noqa: BLE001 - that is what an outcome is for
            refusal = None  # perhaps the error, whose traceback holds this frame
            return CallOutcome(None, error, call.number, call.waited)
        return CallOutcome(value, None, call.number, call.waited)

    def stream(
        self,
        function: Callable[[], AsyncGenerator[T, None]],
        ask: Ask = ONE_REQUEST,
        *,
        timeout: float | None = None,
        pace: Pace | None = None,
    ) -> AsyncGenerator[T, None]:
        """The items of the generator that *function* makes.

        It is not begun again once it has yielded. The appraiser, if there is one, sees
        the last item. Raises as :meth:`run`; *timeout* is that of the whole stream.
        """
        check_timeout(self.name, timeout)
        return stream(self, function, ask, timeout=timeout, pace=pace)

    @overload
    def __call__(
        self, function: Callable[P, AsyncGenerator[T, None]]
    ) -> Callable[P, AsyncGenerator[T, None]]: ...
    @overload
    def __call__(
        self, function: Callable[P, Coroutine[Any, Any, T]]
    ) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __call__(self, function: Callable[P, Any]) -> Callable[P, Any]:
        """*function* under this policy.

        An async generator is not begun again once it has yielded its first item.
        Raises TypeError for a function that is neither a coroutine function nor
        an async generator: it would block the loop.
        """
        return self.asking(ONE_REQUEST)(function)

    def permit(self, ask: Ask = ONE_REQUEST, *, timeout: float | None = None) -> Attempt:
        """One attempt around a block that can't run again: a stream, a transaction.

        Its time runs from when the block is entered.
        """
        check_timeout(self.name, timeout)
        return Attempt(self, ask, timeout)

    def __aiter__(self) -> AsyncIterator[Attempt]:
        """Attempts around a block that can run again."""
        return aiter(self.asking(ONE_REQUEST))

    def asking(self, ask: Ask, *, timeout: float | None = None) -> Asking:
        """The decorator and the loop for calls that each ask for *ask*.

        *timeout* replaces the policy's own. What differs from call to call goes to
        :meth:`run` or :meth:`stream`.
        """
        check_timeout(self.name, timeout)
        return Asking(self, self.run, ask, timeout)

    def explain(self) -> str:
        """The journey of a call in words, one line a step."""
        return explain(self)

    async def _drive(
        self,
        operation: Callable[[], Awaitable[T]],
        ask: Ask,
        timeout: float | None,
        call: Call | None = None,
    ) -> T:
        if call is None:
            permits: list[Permit] = []
            call = begin(self, ask, timeout, permits)
            # ask_gates(call), spelled out.
            if call.is_hurried and call.lacks_time(call.began):
                raise self.too_late(call)
            try:
                call.refusal = admit_all(self, ask, call.outer, permits)
            except Exception:
                self.memory.failures_total += 1
                raise
        if call.refusal is not None or (call.is_hurried and not call.may_begin(call.began)):
            await self.enter(call)
        token = _enter_context(call)
        try:
            while True:
                try:
                    call.arm()
                    value = await operation()
                except BaseException as error:
                    if not goes_on(await self.back_off(call, error), error):
                        raise
                    self.ask_gates(call)
                    await self.enter(call)
                else:
                    free = self.appraise is None
                    self.succeed(call, SUCCESS if free else self.appraise_safely(value))
                    return value
        finally:
            try:  # noqa: SIM105 - each call would pay for suppress()
                _leave_context(token)
            except ValueError:
                # Closed by the collector, after its loop: that context has gone its own way.
                pass
