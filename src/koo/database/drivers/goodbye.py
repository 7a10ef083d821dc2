"""What is still said to the server after a connection was torn off.

torn off --> said in a task of its own --> answered, or two seconds gone
                       |
                 its loop ends --> half a second more, then cancelled
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

from ...resilience import detached

__all__ = ["begun", "finish_saying", "finish_with", "say", "say_in_background"]

_PATIENCE: Final = 2.0
_PATIENCE_AT_THE_END: Final = 0.5
_NAME: Final = "koo: goodbye to a database"

_finishing: Final[dict[asyncio.AbstractEventLoop, AsyncGenerator[None, None]]] = {}


def say_in_background(make: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Do what *make* returns in a task of its own, for two seconds at most; never raises.

    Nothing at all without a running loop.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return
    finish_with(loop)
    detached(_say(make), name=_NAME)


def finish_with(loop: asyncio.AbstractEventLoop) -> None:
    """What is being said when *loop*, the running one, comes to its end is finished then."""
    if loop in _finishing:
        return
    for closed in [one for one in list(_finishing) if one.is_closed()]:
        _finishing.pop(closed, None)
    _finishing[loop] = begun(_finish())


async def say(make: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """The same, before our eyes if it takes half a second at most."""
    await asyncio.wait({detached(_say(make), name=_NAME)}, timeout=_PATIENCE_AT_THE_END)


async def finish_saying() -> None:
    """Wait for what is being said on the running loop, half a second at most: the loop ends."""
    saying = {task for task in asyncio.all_tasks() if task.get_name() == _NAME}
    if not saying:
        return
    _, late = await asyncio.wait(saying, timeout=_PATIENCE_AT_THE_END)
    for task in late:
        task.cancel()
    await asyncio.wait(saying)


def begun(generator: AsyncGenerator[None, None]) -> AsyncGenerator[None, None]:
    """*generator* at its first yield: what stands after that is done when the running loop ends.

    It must come there without waiting; only then does the loop know of it.
    """
    with suppress(StopIteration):
        generator.__anext__().send(None)
    return generator


async def _finish() -> AsyncGenerator[None, None]:
    # What is torn off while asyncio.run cancels everything begins after that.
    try:
        yield
    finally:
        await finish_saying()


async def _say(make: Callable[[], Coroutine[Any, Any, None]]) -> None:
    # The timer also keeps the task alive: the loop itself holds its tasks by a thread.
    with suppress(Exception):
        async with asyncio.timeout(_PATIENCE):
            await make()
