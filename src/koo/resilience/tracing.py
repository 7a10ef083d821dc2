"""Who follows a call through its steps, if anybody does.

    call --+-- attempt --> what is sent, with the headers that continue the trace
           +-- attempt -- checkout, commit (of a database)

A tracer is a matter of the context, like a deadline: set it for a program or a request, and
what is called from there is followed. Without one a step costs a look at a context variable.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from functools import wraps
from types import MappingProxyType
from typing import Any, Concatenate, Final, ParamSpec, Protocol, TypeVar

__all__ = ["TRACER", "Tracer", "following", "trace_headers", "traced"]

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


#: The tracer of the running context; None: nobody follows.
TRACER: Final[ContextVar[Tracer | None]] = ContextVar("koo_tracer", default=None)


def following(step: str, component: str) -> AbstractContextManager[object]:
    """A block that is one *step* of *component*; nothing more if nobody follows."""
    tracer = TRACER.get()
    return _NOBODY if tracer is None else tracer.span(step, component)


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
    return _NONE if tracer is None else tracer.headers()
