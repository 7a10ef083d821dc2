"""`gather(session.commit(), other())`, and *other* failed: what had committed was run again.

The COMMIT was torn off together with its connection, and nobody was left to hear that it was in
doubt; so was a statement with the isolation level AUTOCOMMIT. Whoever caught a
CommitOutcomeUnknown and then met a passing error was repeated as well.
"""

import asyncio
import contextlib

import pytest
from sqlalchemy import exc, text

from koo.database import DatabaseConfig, DatabaseManager
from koo.errors import CommitOutcomeUnknown
from koo.testing import Action, FaultProxy, Phase

pytestmark = pytest.mark.integration


def passing():
    """An error that would be worth another attempt."""
    return exc.OperationalError(None, None, OSError("another server is away"))


@pytest.fixture(params=["asyncpg", "psycopg"])
def driver(request):
    return request.param


class Ledger:
    """A manager behind a proxy, and what it has written."""

    def __init__(self, manager, direct, proxy):
        self.manager = manager
        self.proxy = proxy
        self.runs = 0
        self._direct = direct

    async def rows(self):
        async with self._direct.session_scope() as session:
            return (await session.execute(text("SELECT count(*) FROM ledger"))).scalar_one()

    async def add(self, session):
        """One row, in the first run only."""
        self.runs += 1
        if self.runs == 1:
            await session.execute(text("INSERT INTO ledger VALUES (1)"))
        return self.runs == 1

    def hold(self, is_it, action=Action.PASS):
        """When the first of such chunks is there, and what lets it go on."""
        there, go_on = asyncio.Event(), asyncio.Event()

        async def hook(chunk):
            if is_it(chunk) and not there.is_set():
                there.set()
                await go_on.wait()
                return action
            return Action.PASS

        self.proxy.hook = hook
        return there, go_on


@contextlib.asynccontextmanager
async def opened(server, driver, **terms):
    direct = DatabaseManager(DatabaseConfig(url=server.url(driver)))
    async with direct.session_scope() as session:
        await session.execute(text("DROP TABLE IF EXISTS ledger"))
        await session.execute(text("CREATE TABLE ledger (n INTEGER)"))
    async with FaultProxy("127.0.0.1", server.port) as proxy:
        url = server.url(driver, port=proxy.port)
        manager = DatabaseManager(DatabaseConfig(url=url, **terms))
        try:
            # The first makes the table of tokens, whose COMMIT is not the one to hold.
            await manager.transact(lambda session: session.execute(text("SELECT 2")))
            yield Ledger(manager, direct, proxy)
        finally:
            await manager.close()
            await direct.close()


def is_answer_to_commit(chunk):
    return Phase.COMMIT_REPLY in chunk.phases


async def fail_after(event, then=lambda: None):
    await event.wait()
    asyncio.get_running_loop().call_later(0.1, then)
    raise passing()


async def test_a_commit_that_is_answered_later_is_not_repeated(server, driver):
    async with opened(server, driver) as ledger:
        there, go_on = ledger.hold(is_answer_to_commit)

        async def work(session):
            if await ledger.add(session):
                await asyncio.gather(session.commit(), fail_after(there, go_on.set))

        with pytest.raises(exc.OperationalError) as caught:
            await ledger.manager.transact(work)
        assert (ledger.runs, await ledger.rows()) == (1, 1)
        assert "it was not repeated" in caught.value.__notes__[0]
        pool = ledger.manager.stats().pool
        assert (pool.active, pool.invalidated_total) == (0, 0)


async def test_a_commit_that_is_lost_is_unknown(server, driver):
    async with opened(server, driver, commit_tokens="off") as ledger:
        there, go_on = ledger.hold(is_answer_to_commit, Action.CUT)

        async def work(session):
            if await ledger.add(session):
                await asyncio.gather(session.commit(), fail_after(there, go_on.set))

        with pytest.raises(CommitOutcomeUnknown) as caught:
            await ledger.manager.transact(work)
        assert "another server is away" in str(caught.value.__cause__)
        assert (ledger.runs, await ledger.rows()) == (1, 1)


async def test_a_commit_that_nobody_has_waited_for_is_waited_for(server, driver):
    """The block has ended well, and its own COMMIT comes after the other's."""
    commits = []
    async with opened(server, driver) as ledger:
        there, go_on = ledger.hold(is_answer_to_commit)

        async def work(session):
            await ledger.add(session)
            commits.append(asyncio.create_task(session.commit()))
            await there.wait()
            asyncio.get_running_loop().call_later(0.1, go_on.set)

        await ledger.manager.transact(work)
        assert (ledger.runs, await ledger.rows()) == (1, 1)
        await commits[0]


async def test_no_commit_is_sent_after_the_end_of_its_block(server, driver):
    """It had still to write when the block ended: nothing was committed, and all is repeated."""
    commits = []
    async with opened(server, driver) as ledger:
        there, go_on = ledger.hold(lambda chunk: b"VALUES (2)" in chunk.payload)

        async def write_and_commit(session):
            await session.execute(text("INSERT INTO ledger VALUES (2)"))
            await session.commit()

        async def work(session):
            ledger.runs += 1
            if ledger.runs == 1:
                commits.append(asyncio.create_task(write_and_commit(session)))
                await fail_after(there, go_on.set)
            await session.execute(text("INSERT INTO ledger VALUES (1)"))

        await ledger.manager.transact(work)
        assert (ledger.runs, await ledger.rows()) == (2, 1)
        await asyncio.gather(*commits, return_exceptions=True)
        assert await ledger.rows() == 1


async def test_who_is_cancelled_does_not_wait_for_the_other_tasks_commit(server, driver):
    commits = []
    async with opened(server, driver) as ledger:
        there, _ = ledger.hold(is_answer_to_commit)

        async def work(session):
            await ledger.add(session)
            commits.append(asyncio.create_task(session.commit()))
            await asyncio.Event().wait()

        working = asyncio.create_task(ledger.manager.transact(work))
        await there.wait()
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(working, 20)
        ledger.proxy.hook = None
        await asyncio.gather(*commits, return_exceptions=True)


async def test_a_statement_that_commits_by_itself_is_not_repeated(server, driver):
    async with opened(server, driver) as ledger:
        there, go_on = ledger.hold(lambda chunk: b"INSERT INTO ledger" in chunk.payload)

        async def work(session):
            ledger.runs += 1
            if ledger.runs == 1:
                inserted = session.execute(text("INSERT INTO ledger VALUES (1)"))
                await asyncio.gather(inserted, fail_after(there, go_on.set))

        with pytest.raises(exc.OperationalError, match="another server is away"):
            await ledger.manager.transact(work, isolation_level="AUTOCOMMIT")
        assert ledger.runs == 1


async def test_who_forgives_an_unknown_commit_is_not_repeated_either(server, driver):
    async with opened(server, driver, commit_tokens="off") as ledger:
        _, go_on = ledger.hold(is_answer_to_commit, Action.CUT)
        go_on.set()

        async def work(session):
            if await ledger.add(session):
                with contextlib.suppress(CommitOutcomeUnknown):
                    await session.commit()
                raise passing()

        with pytest.raises(exc.OperationalError, match="another server is away"):
            await ledger.manager.transact(work)
        assert (ledger.runs, await ledger.rows()) == (1, 1)
