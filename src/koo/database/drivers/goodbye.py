"""What is still said to the server after a connection was torn off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

from ...resilience import detached

__all__ = ["finish_saying", "say", "say_in_background"]

_PATIENCE: Final = 2.0
_PATIENCE_AT_THE_END: Final = 0.5
_NAME: Final = "koo: goodbye to a database"


def say_in_background(make: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Do what *make* returns in a task of its own, for two seconds at most; never raises.

    Nothing at all without a running loop.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    detached(_say(make), name=_NAME)


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


async def _say(make: Callable[[], Coroutine[Any, Any, None]]) -> None:
    # The timer also keeps the task alive: the loop itself holds its tasks by a thread.
    with suppress(Exception):
        async with asyncio.timeout(_PATIENCE):
            await make()
