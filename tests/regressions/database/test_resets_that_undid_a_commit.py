"""On MariaDB, an isolation level is taken back after the COMMIT, by words that may get lost.

Then the whole transaction was called lost, and run again; whoever was cancelled or late there
took a place with him for ever. And nothing bounded how long those words may take.
"""

import asyncio
import contextlib

import pytest
from sqlalchemy import exc, text

from koo.database import DatabaseConfig, DatabaseManager
from koo.errors import DeadlineExceeded
from koo.testing import Action, Direction, FaultProxy

from ...database.saying import opened, rows, say

pytestmark = pytest.mark.integration

LIMIT, LONG = 1.5, 60.0
LEVEL = {"isolation_level": "READ COMMITTED"}
SET, RESET = b"ISOLATION LEVEL READ COMMITTED", b"ISOLATION LEVEL REPEATABLE READ"
ASKED = [(SET, LEVEL), (b"SET TRANSACTION READ ONLY", {"readonly": True})]


class Trouble:
    """Meets *words* once, on their way to the server, and does there as *doing* says."""

    def __init__(self, words, doing):
        self._words = words
        self._doing = doing
        self.has_met = asyncio.Event()

    async def __call__(self, chunk):
        is_here = self._words in chunk.payload and chunk.direction is Direction.TO_SERVER
        if is_here and not self.has_met.is_set():
            self.has_met.set()
            return await self._doing()
        return Action.PASS


async def cut():
    return Action.CUT


async def stand_still():
    await asyncio.sleep(600)


@contextlib.asynccontextmanager
async def troubled(mariadb, words, doing, limit=LONG):
    """A manager with one warm connection, and the trouble that it is going to meet."""
    async with FaultProxy("127.0.0.1", mariadb.port) as proxy:
        config = DatabaseConfig(
            url=mariadb.url(port=proxy.port),
            pool_size=1,
            max_overflow=0,
            timeout=limit,
            attempt_timeout=limit,
        )
        manager = DatabaseManager(config)
        try:
            await prepare(mariadb)
            await manager.transact(lambda session: session.execute(text("SELECT 1")))
            proxy.hook = trouble = Trouble(words, doing)
            yield manager, trouble
            # Its only place can be had again.
            async with manager.session_scope() as session:
                await session.execute(text("SELECT 1"))
            assert manager.stats().pool.active == 0
        finally:
            await manager.close()


async def prepare(mariadb):
    """An empty ledger, and the table of tokens, for which a busy disk may take its time."""
    async with opened(mariadb.url()) as manager:
        await manager.transact(lambda session: session.execute(text("SELECT 1")))
        await say(manager, "CREATE OR REPLACE TABLE ledger (n INTEGER)")


async def entries(mariadb):
    async with opened(mariadb.url()) as manager:
        return await rows(manager)


async def book(session):
    await session.execute(text("INSERT INTO ledger VALUES (1)"))
    return "booked"


async def through_transact(manager, work, **options):
    return await manager.transact(work, **options)


async def through_scope(manager, work, max_retries=None, **options):
    async with manager.session_scope(**options) as session:
        return await work(session)


DOORS = pytest.mark.parametrize("door", [through_transact, through_scope])


@DOORS
@pytest.mark.parametrize("doing", [cut, stand_still])
async def test_what_is_committed_is_done_whatever_comes_of_the_reset(mariadb, door, doing):
    async with troubled(mariadb, RESET, doing, LIMIT) as (manager, trouble):
        assert await asyncio.wait_for(door(manager, book, **LEVEL), 20) == "booked"
        assert trouble.has_met.is_set()
    assert await entries(mariadb) == 1


@DOORS
async def test_a_caller_who_is_cancelled_at_the_reset_takes_no_place_with_him(mariadb, door):
    async with troubled(mariadb, RESET, stand_still) as (manager, trouble):
        calling = asyncio.create_task(door(manager, book, **LEVEL))
        await trouble.has_met.wait()
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(calling, 20)
    assert await entries(mariadb) == 1


@DOORS
@pytest.mark.parametrize(("words", "options"), ASKED)
async def test_what_is_said_beforehand_has_a_limit(mariadb, door, words, options):
    async with troubled(mariadb, words, stand_still, LIMIT) as (manager, trouble):
        with pytest.raises(DeadlineExceeded):
            await asyncio.wait_for(door(manager, book, max_retries=0, **options), 20)
        assert trouble.has_met.is_set()
    assert await entries(mariadb) == 0


@pytest.mark.parametrize(("words", "options"), ASKED)
async def test_what_is_lost_beforehand_is_a_lost_connection(mariadb, words, options):
    async with troubled(mariadb, words, cut) as (manager, _):
        with pytest.raises(exc.DBAPIError) as caught:
            await through_scope(manager, book, **options)
        assert caught.value.connection_invalidated
    assert await entries(mariadb) == 0


@pytest.mark.parametrize(("words", "options"), ASKED)
async def test_who_is_cancelled_beforehand_takes_no_place_with_him(mariadb, words, options):
    async with troubled(mariadb, words, stand_still) as (manager, trouble):
        calling = asyncio.create_task(through_scope(manager, book, **options))
        await trouble.has_met.wait()
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(calling, 20)
    assert await entries(mariadb) == 0
