"""Credentials are fetched beforehand, by one at a time, and once more when refused."""

import asyncio

import pytest

from koo.database import Credentials
from koo.database.hosts.credentials import CredentialsCache
from koo.testing import running_clock


class Vault:
    """A provider of passwords that are good for *lifetime*, each fetch taking *seconds*."""

    def __init__(self, lifetime=10.0, seconds=1.0):
        self.lifetime = lifetime
        self.seconds = seconds
        self.calls = 0
        self.fails = False
        self.rotates = True

    async def __call__(self):
        self.calls += 1
        await asyncio.sleep(self.seconds)
        if self.fails:
            raise OSError("hunter2 was refused")
        number = self.calls if self.rotates else 1
        return Credentials(user="u", password=f"p{number}", lifetime=self.lifetime)


@pytest.fixture
def cached():
    """`cached(vault)`: a cache of it, and how often it has told of a change."""

    def cached(vault):
        told = []
        clock = running_clock()
        changed = lambda: told.append(clock.monotonic())  # noqa: E731
        return CredentialsCache(vault, clock, changed, timeout=30), told

    return cached


async def test_many_who_come_at_once_fetch_once(cached):
    vault = Vault()
    cache, told = cached(vault)
    found = await asyncio.gather(*(cache.current() for _ in range(20)))
    assert ({one.password for one in found}, vault.calls, told) == ({"p1"}, 1, [])
    cache.stop()


async def test_one_who_is_cancelled_does_not_disturb_the_others(cached):
    cache, _ = cached(Vault())
    first, second = asyncio.create_task(cache.current()), asyncio.create_task(cache.current())
    await asyncio.sleep(0.5)
    first.cancel()
    assert (await second).password == "p1"
    cache.stop()


async def test_new_ones_are_fetched_before_the_old_expire_and_nobody_waits(cached):
    vault, loop = Vault(), asyncio.get_running_loop()
    cache, told = cached(vault)
    await cache.current()
    for _ in range(40):
        began = loop.time()
        await cache.current()
        assert loop.time() == began
        await asyncio.sleep(1)
    # One for each 8 of 10 seconds of life, and the second that each takes.
    assert vault.calls == 5
    assert told == pytest.approx([10, 19, 28, 37])
    cache.stop()


async def test_a_provider_with_nothing_newer_is_asked_again_only_when_they_expire(cached):
    vault, began = Vault(seconds=0), asyncio.get_running_loop().time()

    async def until_the_tenth_second():
        await vault()
        left = began + 10 - asyncio.get_running_loop().time()
        return Credentials(user="u", password="same", lifetime=left if left > 0 else 10)

    cache, _ = cached(until_the_tenth_second)
    await cache.current()
    await asyncio.sleep(9.9)
    assert vault.calls == 2
    await asyncio.sleep(0.2)
    assert vault.calls == 3
    cache.stop()


async def test_credentials_for_ever_are_fetched_once(cached):
    vault = Vault(lifetime=float("inf"))
    cache, _ = cached(vault)
    await cache.current()
    await asyncio.sleep(100_000)
    await cache.current()
    assert vault.calls == 1


async def test_who_is_refused_gets_newer_ones_once(cached):
    vault = Vault(lifetime=float("inf"))
    cache, told = cached(vault)
    old = await cache.current()
    first, second = await asyncio.gather(cache.newer_than(old), cache.newer_than(old))
    assert first is second
    assert (first.password, vault.calls, len(told)) == ("p2", 2, 1)
    assert await cache.newer_than(old) is first
    assert vault.calls == 2


async def test_there_are_no_newer_ones_if_the_provider_says_the_same(cached):
    vault = Vault(lifetime=float("inf"))
    vault.rotates = False
    cache, told = cached(vault)
    assert await cache.newer_than(await cache.current()) is None
    assert (vault.calls, told) == (2, [])


async def test_a_provider_that_fails_is_told_without_its_words_and_asked_again(cached):
    vault = Vault()
    cache, _ = cached(vault)
    vault.fails = True
    with pytest.raises(ConnectionError, match=r"^the credentials provider failed \(OSError\)$"):
        await cache.current()
    vault.fails = False
    await asyncio.sleep(2.5)
    began = asyncio.get_running_loop().time()
    assert (await cache.current()).password == "p2"
    assert asyncio.get_running_loop().time() == began
    cache.stop()


async def test_a_provider_that_fails_meanwhile_disturbs_nobody_before_they_expire(cached):
    vault = Vault()
    cache, _ = cached(vault)
    await cache.current()
    vault.fails = True
    await asyncio.sleep(9.5)
    assert (await cache.current()).password == "p1"
    await asyncio.sleep(1)
    with pytest.raises(ConnectionError):
        await cache.current()
    cache.stop()


async def test_who_is_stopped_fetches_no_more(cached):
    vault = Vault()
    cache, _ = cached(vault)
    cache.stop()
    await cache.current()
    await asyncio.sleep(8.5)
    cache.stop()
    await asyncio.sleep(100)
    assert vault.calls == 2


def test_a_lifetime_that_is_none_is_refused_and_no_password_is_printed():
    with pytest.raises(ValueError, match="lifetime must be above 0"):
        Credentials(user="u", password="open-sesame", lifetime=0)
    assert "sesame" not in repr(Credentials(user="u", password="open-sesame"))
