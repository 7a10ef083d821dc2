"""Who logs in: fetched before it is needed, by one at a time.

    nothing yet, or expired --> fetch; who comes meanwhile joins
    four fifths of its life --> fetch in the background; the old ones serve until they expire
    the provider fails, or its time is over --> again in a second
    login refused ------------> fetch once more, unless newer ones are there already
             |
             +--> others than before: *changed* is called, so that old sessions can be retired

A login refused with newest credentials is final: a wrong password isn't tried for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from math import inf
from typing import Final, TypeAlias

from ...resilience import Clock, detached

__all__ = ["Credentials", "CredentialsCache", "CredentialsProvider"]

_SHARE_OF_LIFE: Final = 0.8
_AGAIN_AFTER: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A user and a password, good for *lifetime* seconds from now on.

    Raises ValueError for a lifetime that is none.
    """

    user: str
    password: str = field(repr=False)
    lifetime: float = inf

    def __post_init__(self) -> None:
        """Refuse what has already expired."""
        if not self.lifetime > 0:
            raise ValueError("Credentials: lifetime must be above 0 seconds; leave it out for ever")


#: Fetches the credentials that are good now.
CredentialsProvider: TypeAlias = Callable[[], Awaitable[Credentials]]


class CredentialsCache:
    """The credentials of one event loop's connections.

    A call of *provider* may take *timeout* seconds, because everybody else waits for it.
    """

    def __init__(
        self,
        provider: CredentialsProvider,
        clock: Clock,
        changed: Callable[[], None],
        *,
        timeout: float,
    ) -> None:
        self._provider = provider
        self._timeout = timeout
        self._now = clock.monotonic
        self._changed = changed
        self._known: Credentials | None = None
        self._expires = -inf
        self._flight: asyncio.Task[Credentials] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def current(self) -> Credentials:
        """The credentials to log in with now. Raises ConnectionError if the provider fails."""
        if self._known is not None and self._now() < self._expires:
            return self._known
        return await self._fetched()

    @property
    def are_awaited(self) -> bool:
        """Whether nobody can log in before the provider has answered."""
        is_asked = self._flight is not None and not self._flight.done()
        return is_asked and self._now() >= self._expires

    async def newer_than(self, refused: Credentials) -> Credentials | None:
        """Others than *refused*, None if the provider has none."""
        if self._known is refused:
            await self._fetched()
        found = await self.current()
        return None if _same(found, refused) else found

    def are_newer_than(self, used: Credentials) -> bool:
        """Whether others than *used* are known by now."""
        return self._known is not None and not _same(self._known, used)

    def stop(self) -> None:
        """Fetch no more, and give up what is being fetched."""
        self._disarm()
        if self._flight is not None:
            self._flight.cancel()

    async def _fetched(self) -> Credentials:
        # A task of its own: who began it may be cancelled, while others still wait for it.
        return await asyncio.shield(self._join())

    def _join(self) -> asyncio.Task[Credentials]:
        if self._flight is None or self._flight.done():
            self._flight = detached(self._fetch())
            self._flight.add_done_callback(_seen)
        return self._flight

    async def _fetch(self) -> Credentials:
        try:
            async with asyncio.timeout(self._timeout):
                found = await self._provider()
        except (Exception, asyncio.CancelledError) as error:
            if _is_given_up():
                raise
            self._again_in(_AGAIN_AFTER)
            words = f"the credentials provider failed ({type(error).__name__})"
            raise ConnectionError(words) from error
        before, self._known = self._known, found
        self._expires = self._now() + found.lifetime
        are_new = before is None or not _same(before, found)
        if found.lifetime < inf:
            # The same again: there are no newer ones before these expire.
            self._again_in(found.lifetime * (_SHARE_OF_LIFE if are_new else 1))
        if are_new and before is not None:
            self._changed()
        return found

    def _again_in(self, seconds: float) -> None:
        self._disarm()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._join)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _same(one: Credentials, other: Credentials) -> bool:
    return (one.user, one.password) == (other.user, other.password)


def _is_given_up() -> bool:
    """Whether somebody has cancelled this task: a provider may end like that by itself."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _seen(task: asyncio.Task[Credentials]) -> None:
    """Look at how *task* ended, so that the loop does not complain that nobody did."""
    if not task.cancelled():
        task.exception()
