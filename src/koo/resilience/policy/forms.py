"""The forms of a policy beside the plain call: the block, the loop, the decorator.

Every form takes the same steps: enter, arm, work, then succeed or judge.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextvars import Token
from functools import partial, wraps
from types import TracebackType
from typing import Any, Final, ParamSpec, Self, TypeAlias, TypeVar, overload

from ..checking import is_a
from ..deadline import CURRENT, Deadline, Progress, leave
from ..outcome import SUCCESS, Ask, Failure, Outcome
from .call import Call, begin
from .generators import stream
from .journey import Journey, goes_on

__all__ = ["Asking", "Attempt", "Attempts"]

P = ParamSpec("P")
T = TypeVar("T")


class Attempt:
    """One attempt around a block; settled when the block ends."""

    __slots__ = (
        "__weakref__",
        "_ask",
        "_call",
        "_is_open",
        "_is_used",
        "_journey",
        "_timeout",
        "_token",
    )

    _token: Token[Progress | None]

    def __init__(
        self, journey: Journey, ask: Ask, timeout: float | None, call: Call | None = None
    ) -> None:
        self._journey = journey
        self._ask = ask
        self._timeout = timeout
        self._call = call
        self._is_used = self._is_open = False

    @property
    def number(self) -> int:
        """Which attempt this is, from 1."""
        return self._begun.number

    @property
    def deadline(self) -> Deadline | None:
        """When the time of the whole call is over."""
        at = self._begun.deadline_at
        return None if at is None else Deadline(at)

    def settle(self, outcome: Outcome) -> None:
        """Say how a block that raises nothing has ended: what it spent, or that it failed.

        If it raises all the same, only what it spent counts. In a loop a retryable failure is
        followed by another attempt; after the last the loop ends and raises nothing. What is
        raised after that is taken for this failure's: no policy further out tries it again.
        Raises ValueError for what is no outcome, RuntimeError outside of the block, where
        nobody would hear it.
        """
        if not is_a(outcome, Outcome):
            what = f"an attempt ends as a Success, a Failure or Abandoned, not as {outcome!r}"
            raise ValueError(f"Policy {self._journey.name!r}: {what}")
        call = self._begun
        if not self._is_open:
            raise self._misuse("its block has not begun or is over; settle an attempt inside of it")
        call.told = outcome

    async def __aenter__(self) -> Self:
        if self._is_used:
            raise self._misuse("this permit was used already; take a new one for each block")
        self._is_used = True
        call, began_before = self._call, self._call is not None
        if call is None:
            # Not before: whoever made the permit may have kept it a while.
            self._call = call = begin(self._journey, self._ask, self._timeout, [])
        call.told = SUCCESS
        self._journey.ask_gates(call)
        if began_before or call.refusal is not None or call.is_hurried:
            await self._journey.enter(call)
        self._token = CURRENT.set(call)
        call.arm()
        self._is_open = True
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        self._is_open = False
        leave(self._token)
        if error is None:
            await self._conclude(self._begun.told)
            return True
        return goes_on(await self._failed(error), error)

    async def _conclude(self, told: Outcome) -> None:
        self._journey.conclude(self._begun, told)

    async def _failed(self, error: BaseException) -> BaseException | None:
        return self._journey.end(self._begun, error)

    @property
    def _begun(self) -> Call:
        if self._call is None:
            raise self._misuse("this permit was not entered yet; ask it inside of its block")
        return self._call

    def _misuse(self, what: str) -> RuntimeError:
        return RuntimeError(f"Policy {self._journey.name!r}: {what}")


class _Repeatable(Attempt):
    """An attempt that swallows a failure when another attempt is to follow."""

    __slots__ = ("_number",)

    def __init__(self, journey: Journey, call: Call) -> None:
        super().__init__(journey, call.ask, None, call)
        self._number = call.number

    @property
    def number(self) -> int:
        """Which attempt this is, from 1."""
        return self._number

    async def _conclude(self, told: Outcome) -> None:
        if isinstance(told, Failure):
            await self._journey.back_off_from(self._begun, told)
        else:
            self._journey.conclude(self._begun, told)

    async def _failed(self, error: BaseException) -> BaseException | None:
        return await self._journey.back_off(self._begun, error)


class Attempts(AsyncIterator[Attempt]):
    """Attempts until one succeeds, or the last error is raised inside it.

    What it raises may be caught there: only an attempt that another is to follow goes on.
    """

    _call: Call

    def __init__(self, journey: Journey, ask: Ask, timeout: float | None) -> None:
        self._journey = journey
        self._ask = ask
        self._timeout = timeout
        self._given = 0

    async def __anext__(self) -> Attempt:
        if not self._given:
            self._call = begin(self._journey, self._ask, self._timeout, [])
            self._call.is_due = False
        elif self._given == self._call.number or not self._call.is_due:
            raise StopAsyncIteration
        self._given = self._call.number
        return _Repeatable(self._journey, self._call)

    def __del__(self) -> None:
        if self._given and self._call.is_due:
            self._journey.memory.abandoned_total += 1


Run: TypeAlias = Callable[..., Coroutine[Any, Any, Any]]

_STREAM: Final = "__koo_stream__"


def _is_protected_stream(function: object) -> bool:
    """Whether a policy has made *function* of an async generator, which it looks like no longer.

    It bears itself as a mark: a wrapper that copies the mark is something else.
    """
    while isinstance(function, partial):
        function = function.func
    function = getattr(function, "__func__", function)
    return getattr(function, _STREAM, None) is function


class Asking:
    """A policy for calls that all ask for the same: a decorator, and attempts around a block."""

    __slots__ = ("_ask", "_journey", "_run", "_timeout")

    def __init__(self, journey: Journey, run: Run, ask: Ask, timeout: float | None) -> None:
        self._journey = journey
        self._run = run
        self._ask = ask
        self._timeout = timeout

    @overload
    def __call__(
        self, function: Callable[P, AsyncGenerator[T, None]]
    ) -> Callable[P, AsyncGenerator[T, None]]: ...
    @overload
    def __call__(
        self, function: Callable[P, Coroutine[Any, Any, T]]
    ) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __call__(self, function: Callable[P, Any]) -> Callable[P, Any]:
        """*function* under the policy, each call with the same ask; as ``@policy`` does it."""
        if inspect.isasyncgenfunction(function) or _is_protected_stream(function):
            return self._protected_stream(function)
        if inspect.iscoroutinefunction(function):
            return self._protected_call(function)
        name = self._journey.name
        raise TypeError(f"Policy {name!r}: {function!r} is not async; decorate an async function")

    def __aiter__(self) -> AsyncIterator[Attempt]:
        """Attempts around a block that can run again."""
        return Attempts(self._journey, self._ask, self._timeout)

    def _protected_stream(
        self, function: Callable[P, AsyncGenerator[T, None]]
    ) -> Callable[P, AsyncGenerator[T, None]]:
        @wraps(function)
        def protected(*args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[T, None]:
            items = partial(function, *args, **kwargs)
            return stream(self._journey, items, self._ask, timeout=self._timeout)

        vars(protected)[_STREAM] = protected
        return protected

    def _protected_call(
        self, function: Callable[P, Coroutine[Any, Any, T]]
    ) -> Callable[P, Coroutine[Any, Any, T]]:
        @wraps(function)
        async def protected(*args: P.args, **kwargs: P.kwargs) -> T:
            operation = partial(function, *args, **kwargs)
            value: T = await self._run(operation, self._ask, timeout=self._timeout)
            return value

        return protected
