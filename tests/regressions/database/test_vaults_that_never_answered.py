"""One call of the credentials provider that never returned kept everybody from logging in.

One that cancelled itself was not known to have failed: nobody was told before the time was over.
"""

import asyncio
import re
import socket

import pytest

from koo.database import Credentials, DatabaseConfig, DatabaseManager
from koo.database.hosts.credentials import CredentialsCache
from koo.testing import running_clock


class Vault:
    """A provider whose second call never returns."""

    calls = 0

    async def __call__(self):
        self.calls += 1
        if self.calls == 2:
            await asyncio.Event().wait()
        return Credentials(user="u", password=f"p{self.calls}", lifetime=10)


def cache_of(vault):
    return CredentialsCache(vault, running_clock(), lambda: None, timeout=30)


async def test_a_call_that_never_returns_is_given_up_and_the_next_one_serves():
    vault = Vault()
    cache = cache_of(vault)
    await cache.current()
    await asyncio.sleep(10)
    with pytest.raises(ConnectionError, match=r"provider failed \(TimeoutError\)"):
        # Begun in the background two seconds ago.
        await cache.current()
    assert asyncio.get_running_loop().time() == pytest.approx(38)
    assert (await cache.current()).password == "p3"
    cache.stop()


async def test_after_a_call_that_was_given_up_another_is_made_though_nobody_comes():
    vault = Vault()
    cache = cache_of(vault)
    await cache.current()
    await asyncio.sleep(38.5)
    assert vault.calls == 2
    await asyncio.sleep(1)
    assert vault.calls == 3
    cache.stop()


async def test_a_call_that_is_slow_serves_all_the_same():
    async def slow():
        await asyncio.sleep(29)
        return Credentials(user="u", password="late")

    assert (await cache_of(slow).current()).password == "late"


async def test_a_call_that_cancels_itself_has_failed_and_another_is_made():
    calls = []

    async def cancelled():
        calls.append(1)
        raise asyncio.CancelledError

    cache = cache_of(cancelled)
    with pytest.raises(ConnectionError, match=r"provider failed \(CancelledError\)"):
        await cache.current()
    await asyncio.sleep(1.5)
    assert len(calls) == 2
    cache.stop()


@pytest.mark.parametrize("ending", [asyncio.CancelledError, OSError])
async def test_a_call_that_is_given_up_has_not_failed(ending):
    calls = []

    async def lets_go():
        calls.append(1)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ending from None

    cache = cache_of(lets_go)
    asking = asyncio.create_task(cache.current())
    await asyncio.sleep(1)
    cache.stop()
    with pytest.raises(ending):
        await asking
    await asyncio.sleep(100)
    assert len(calls) == 1


@pytest.mark.integration
async def test_a_manager_names_a_provider_that_cancels_itself():
    async def cancelled():
        raise asyncio.CancelledError

    url = "postgresql://nobody@127.0.0.1:1/none"
    manager = DatabaseManager(DatabaseConfig(url=url, credentials=cancelled))
    try:
        with pytest.raises(Exception, match=r"provider failed \(CancelledError\)"):
            async with manager.session_scope() as session:
                await session.connection()
    finally:
        await manager.close()


@pytest.mark.integration
async def test_a_manager_gives_up_what_takes_longer_than_an_attempt_may():
    """Nothing listens there: it is about who is asked, and how often."""
    asked = asyncio.Event()

    async def hangs():
        if asked.is_set():
            again.set()
        asked.set()
        await asyncio.Event().wait()

    again = asyncio.Event()
    limits = {"attempt_timeout": 0.05, "check_timeout": 30.0}
    url = "postgresql://nobody@127.0.0.1:1/none"
    manager = DatabaseManager(DatabaseConfig(url=url, credentials=hangs, **limits))
    try:
        with pytest.raises(Exception, match=r"provider failed \(TimeoutError\)"):
            async with manager.session_scope() as session:
                await session.connection()
        async with asyncio.timeout(30):
            await again.wait()
    finally:
        await manager.close()


async def never():
    await asyncio.Event().wait()


@pytest.mark.integration
@pytest.mark.parametrize(
    ("vault", "words"),
    [
        (never, r"no connection in 0\.1 s: the credentials provider has not answered$"),
        (None, r"no connection in 0\.1 s$"),
    ],
)
async def test_who_waits_in_vain_is_told_for_whom(vault, words):
    """The server listens, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        url = f"postgresql://nobody@127.0.0.1:{port}/none"
        config = DatabaseConfig(url=url, credentials=vault, check_timeout=0.1)
        manager = DatabaseManager(config)
        try:
            with pytest.raises(Exception, match="no connection") as caught:
                async with manager.session_scope() as session:
                    await session.connection()
            assert re.search(words, str(caught.value.orig))
        finally:
            await manager.close()
