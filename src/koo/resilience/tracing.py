"""Who follows a call through its steps, if anybody does.

    call --+-- attempt --> what is sent, with the headers that continue the trace
           +-- attempt -- checkout, commit (of a database)

A tracer is a matter of the context, like a deadline: set it for a program or a request, and
what is called from there is followed. Without one a step costs a look at a context variable.
What a tracer raises is counted with what listeners raise, and hurts no call.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from functools import wraps
from types import MappingProxyType, TracebackType
from typing import Any, Concatenate, Final, ParamSpec, Protocol, TypeVar

from .events import LISTENER_ERRORS

__all__ = ["TRACER", "Tracer", "following", "join_trace", "trace_headers", "traced"]

_NONE: Final[Mapping[str, str]] = MappingProxyType({})
_NOBODY: Final = nullcontext()


class Tracer(Protocol):
    """Anything that wants to know when steps begin and end."""

    def span(self, step: str, component: str) -> AbstractContextManager[object]:
        """One *step* (call, attempt, ...) of *component*, as long as the block lasts."""
        ...

    def headers(self) -> Mapping[str, str]:
        """What a request must carry so that the other side continues the trace."""
        ...

    def join(self, headers: Mapping[str, str]) -> None:
        """Let what follows in this context belong to the trace that a request's *headers* name."""
        ...


#: The tracer of the running context; None: nobody follows.
TRACER: Final[ContextVar[Tracer | None]] = ContextVar("koo_tracer", default=None)


def following(step: str, component: str) -> AbstractContextManager[object]:
    """A block that is one *step* of *component*; nothing more if nobody follows."""
    tracer = TRACER.get()
    return _NOBODY if tracer is None else _Step(tracer, step, component)


class _Step:
    """A tracer's span that can neither fail what it follows nor swallow its error."""

    __slots__ = ("_component", "_span", "_step", "_tracer")

    def __init__(self, tracer: Tracer, step: str, component: str) -> None:
        self._tracer = tracer
        self._step = step
        self._component = component
        self._span: AbstractContextManager[object] = _NOBODY

    def __enter__(self) -> None:
        try:
            span = self._tracer.span(self._step, self._component)
            span.__enter__()
            self._span = span
        except Exception:  # noqa: BLE001 - who only follows must never fail a call
            LISTENER_ERRORS.add()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._span.__exit__(kind, error, trace)
        except Exception:  # noqa: BLE001 - as above
            LISTENER_ERRORS.add()


class Named(Protocol):
    """Whoever has steps."""

    name: str


P = ParamSpec("P")
T = TypeVar("T")
Self_ = TypeVar("Self_", bound=Named)


def traced(
    step: str,
) -> Callable[
    [Callable[Concatenate[Self_, P], Coroutine[Any, Any, T]]],
    Callable[Concatenate[Self_, P], Coroutine[Any, Any, T]],
]:
    """A decorator for coroutine methods of what has a name: each call is one *step* of it."""

    def decorate(
        method: Callable[Concatenate[Self_, P], Coroutine[Any, Any, T]],
    ) -> Callable[Concatenate[Self_, P], Coroutine[Any, Any, T]]:
        @wraps(method)
        def followed(self: Self_, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
            work = method(self, *args, **kwargs)
            return work if TRACER.get() is None else _follow(step, self.name, work)

        return followed

    return decorate


async def _follow(step: str, component: str, work: Coroutine[Any, Any, T]) -> T:
    with following(step, component):
        return await work


def trace_headers() -> Mapping[str, str]:
    """What a request that is sent now must carry; nothing if nobody follows."""
    tracer = TRACER.get()
    if tracer is None:
        return _NONE
    try:
        return tracer.headers()
    except Exception:  # noqa: BLE001 - as above
        LISTENER_ERRORS.add()
        return _NONE


def join_trace(headers: Mapping[str, str]) -> None:
    """Continue the trace that the *headers* of a request name, in this context."""
    tracer = TRACER.get()
    if tracer is None:
        return
    try:
        tracer.join(headers)
    except Exception:  # noqa: BLE001 - as above
        LISTENER_ERRORS.add()
