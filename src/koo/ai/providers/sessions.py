"""HTTP sessions, one per event loop.

    current() --first use on a loop--> ClientSession, and a keeper that the loop knows
    the loop shuts down ------------> the keeper ends and closes the session
    a loop was closed without that --> its session is let go at the next use, silently

asyncio closes every asynchronous generator before it closes a loop; a generator
that holds the session is the one hook by which a program that never says goodbye,
or calls ``asyncio.run`` again and again, leaves no socket and no warning behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Final, TypeAlias

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

__all__ = ["Sessions"]

#: More calls at once to one host wait for a connection.
CONNECTIONS_PER_HOST: Final = 256
_NO_TIMEOUT: Final = ClientTimeout(total=None, sock_connect=None)

_Kept: TypeAlias = tuple[ClientSession, AsyncGenerator[None, None]]


class Sessions:
    """One bounded session for each event loop; the time limits are those of the policies."""

    def __init__(self, connections_per_host: int = CONNECTIONS_PER_HOST) -> None:
        self._connections_per_host = connections_per_host
        self._kept: dict[asyncio.AbstractEventLoop, _Kept] = {}

    async def current(self) -> ClientSession:
        """The session of the running loop."""
        loop = asyncio.get_running_loop()
        kept = self._kept.get(loop)
        if kept is not None and not kept[0].closed:
            return kept[0]
        self._drop_dead()
        session = self._open()
        keeper = _keep_until_shutdown(session)
        self._kept[loop] = session, keeper
        await anext(keeper)
        return session

    async def close(self) -> None:
        """Close the session of the running loop, if it has one."""
        kept = self._kept.pop(asyncio.get_running_loop(), None)
        if kept is not None:
            await kept[1].aclose()

    def _open(self) -> ClientSession:
        connector = TCPConnector(limit=0, limit_per_host=self._connections_per_host)
        return ClientSession(
            connector=connector, timeout=_NO_TIMEOUT, cookie_jar=DummyCookieJar(), trust_env=False
        )

    def _drop_dead(self) -> None:
        for loop in [loop for loop in self._kept if loop.is_closed()]:
            session, _ = self._kept.pop(loop)
            # On a closed loop there is nothing to wait for: one step ends it.
            with suppress(StopIteration):
                session.close().send(None)


async def _keep_until_shutdown(session: ClientSession) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        await session.close()
