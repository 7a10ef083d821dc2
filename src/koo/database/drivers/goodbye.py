"""What is still said to the server after a connection was torn off.

torn off --> said in a task of its own --> answered, or two seconds gone
                       |
      asyncio.run cancels it --> said once more
                       |
                 its loop ends --> half a second more, then cancelled
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, Final
from weakref import WeakKeyDictionary, WeakSet

from ...resilience import detached

__all__ = ["begun", "finish_saying", "say", "say_in_background", "when_the_loop_ends"]

_PATIENCE: Final = 2.0
_PATIENCE_AT_THE_END: Final = 0.5
_NAME: Final = "koo: goodbye to a database"

#: What each loop will do at its end; None where that is done, and nothing can be added any more.
_finishing: Final[
    WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncGenerator[None, None] | None]
] = WeakKeyDictionary()
_given_up: Final[WeakSet[asyncio.Task[None]]] = WeakSet()


def when_the_loop_ends() -> None:
    """Have the running loop finish, when it ends, what is being said by then.

    Its end is too late for that: it would warn.
    """
    loop = asyncio.get_running_loop()
    if loop not in _finishing:
        _forget_closed_loops()
        _finishing[loop] = begun(_finish(loop))


def say_in_background(make: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Do what *make* returns in a task of its own, for two seconds at most; never raises.

    Nothing at all without a running loop. What asyncio.run cancels is done once more.
    """
    try:
        when_the_loop_ends()
    except RuntimeError:
        return
    detached(_say(make), name=_NAME).add_done_callback(partial(_say_again, make))


async def say(make: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """The same, before our eyes if it takes half a second at most."""
    await asyncio.wait({detached(_say(make), name=_NAME)}, timeout=_PATIENCE_AT_THE_END)


async def finish_saying() -> None:
    """Wait for what is being said on the running loop, half a second at most: the loop ends."""
    late = {task for task in asyncio.all_tasks() if task.get_name() == _NAME}
    for _ in range(2):
        # A loop that stands still in the one half listens in the other.
        if late:
            _, late = await asyncio.wait(late, timeout=_PATIENCE_AT_THE_END / 2)
    _given_up.update(late)
    for task in late:
        task.cancel()
    if late:
        await asyncio.wait(late)


def begun(generator: AsyncGenerator[None, None]) -> AsyncGenerator[None, None]:
    """*generator* at its first yield: what stands after that is done when the running loop ends.

    It must come there without waiting; only then does the loop know of it.
    """
    with suppress(StopIteration):
        generator.__anext__().send(None)
    return generator


async def _finish(loop: asyncio.AbstractEventLoop) -> AsyncGenerator[None, None]:
    # What is torn off while asyncio.run cancels everything begins after that.
    try:
        yield
    finally:
        _finishing[loop] = None
        await finish_saying()


def _forget_closed_loops() -> None:
    known = [reference() for reference in _finishing.keyrefs()]
    for closed in [loop for loop in known if loop is not None and loop.is_closed()]:
        _finishing.pop(closed, None)


async def _say(make: Callable[[], Coroutine[Any, Any, None]]) -> None:
    # The timer also keeps the task alive: the loop itself holds its tasks by a thread.
    with suppress(Exception):
        async with asyncio.timeout(_PATIENCE):
            await make()


def _say_again(make: Callable[[], Coroutine[Any, Any, None]], task: asyncio.Task[None]) -> None:
    """Begin anew what was cancelled with everything else, perhaps before it had begun at all."""
    if task.cancelled() and task not in _given_up:
        detached(_say(make), name=_NAME)
