"""The first of several servers that answers and has the wanted role.

    the last one found --0.25 s, or it failed--> the next --...--> the last of them
            |                                        |
            +---------- answers, has the role -------+--> found; it is asked first next time
                        all have failed ----------------> the error that says most

A host that went dark costs a quarter of a second, once, and not the whole time for a
connection. The others that were under way are torn off.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, cast

from sqlalchemy.util import greenlet_spawn

from ..drivers.goodbye import say_in_background
from ..theirs import Theirs
from ..verdicts import is_login_refused
from .addresses import Address, Role

__all__ = ["Hosts", "Unsuitable"]

_STAGGER: Final = 0.25

#: Connects to one server; raises :class:`Unsuitable` if that has another role.
Dial = Callable[[Address], Awaitable[Any]]


class Unsuitable(ConnectionError):
    """A server answers, but is not what was wanted."""

    def __init__(self, role: Role) -> None:
        super().__init__(f"the server is not {role}")


class Hosts:
    """The servers of one database, the one that was found last at the head."""

    def __init__(self, addresses: Iterable[Address]) -> None:
        self._order = list(addresses)

    async def find(self, dial: Dial) -> Theirs:
        """A connection to the first that *dial* succeeds with. Raises what says most."""
        if len(self._order) == 1:
            return await dial(self._order[0])
        race = _Race(dial, self._order)
        try:
            address, connection = await race.run()
        finally:
            race.end()
        self._order.remove(address)
        self._order.insert(0, address)
        return connection


class _Race:
    def __init__(self, dial: Dial, order: Iterable[Address]) -> None:
        self._dial = dial
        self._left = list(order)
        self._running: dict[asyncio.Task[Any], Address] = {}
        self._errors: list[Exception] = []

    async def run(self) -> tuple[Address, Any]:
        while self._left or self._running:
            self._start_next()
            patience = _STAGGER if self._left else None
            done, _ = await asyncio.wait(
                self._running, timeout=patience, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                if task.exception() is None:
                    return self._running.pop(task), task.result()
                self._fail(task)
        raise _telling(self._errors)

    def end(self) -> None:
        """Tear off whatever is still under way, or has arrived in the same instant."""
        for task in self._running:
            task.cancel()
            task.add_done_callback(_drop)

    def _start_next(self) -> None:
        if self._left:
            address = self._left.pop(0)
            task = asyncio.ensure_future(self._dial(address))
            self._running[task] = address

    def _fail(self, task: asyncio.Task[Any]) -> None:
        del self._running[task]
        # What is no Exception ends the loop by itself, and a cancellation is raised here.
        self._errors.append(cast("Exception", task.exception()))


def _drop(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and task.exception() is None:
        connection = task.result()
        say_in_background(lambda: greenlet_spawn(connection.close))


def _telling(errors: list[Exception]) -> Exception:
    """A refused login can be cured; of a server with another role we knew that it is there."""
    refused = [error for error in errors if is_login_refused(error)]
    failed = [error for error in errors if not isinstance(error, Unsuitable)]
    return (refused or failed or errors)[0]
