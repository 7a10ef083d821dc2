"""A function whose own COMMIT was cut at the end of its time could run on for ever.

First if the COMMIT was found, then if it was not, and the function had caught the error of it.
"""

import asyncio
import contextlib
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import exc, text

from koo.database import DatabaseConfig, DatabaseManager, StatementTimedOut
from koo.database.commit import attempt
from koo.database.scope import Scope
from koo.testing import FaultProxy, LinkFault, Phase, PostgresServer

from ...database.undisturbed import undisturbed


class Nobody:
    async def ready(self):
        return None


@asynccontextmanager
async def opening():
    yield None


class Work:
    """A function that commits, takes *finding_out* seconds to hear of it, and then *rest* more."""

    def __init__(self, *, has_committed, finding_out, rest):
        self.scope = Scope("here")
        self.has_committed = has_committed
        self.finding_out = finding_out
        self.rest = rest

    async def __call__(self, _):
        self.scope.commit_by(object())
        await asyncio.sleep(self.finding_out)
        if self.has_committed:
            self.scope.note_commit()
        self.scope.hear()
        await asyncio.sleep(self.rest)
        return "done"

    async def attempt(self):
        return await attempt(self, self.scope, opening(), witnesses=Nobody(), timeout=1)


def now():
    return asyncio.get_running_loop().time()


async def test_what_comes_after_a_commit_that_was_found_is_cut_at_once():
    began = now()
    with pytest.raises(StatementTimedOut, match="took longer than 1 s"):
        await Work(has_committed=True, finding_out=5, rest=1000).attempt()
    assert now() - began == pytest.approx(5, abs=0.1)


async def test_a_commit_that_was_answered_in_time_changes_nothing():
    work = Work(has_committed=True, finding_out=0.2, rest=0.3)
    assert await work.attempt() == "done"
    with pytest.raises(StatementTimedOut):
        await Work(has_committed=True, finding_out=0.2, rest=10).attempt()


async def test_what_has_not_committed_is_cut_if_it_goes_on():
    began = now()
    with pytest.raises(StatementTimedOut, match="took longer than 1 s"):
        await Work(has_committed=False, finding_out=5, rest=1000).attempt()
    assert now() - began == pytest.approx(5, abs=0.1)


async def test_what_has_not_committed_tells_so_first():
    scope = Scope("here")

    async def commit(_):
        scope.commit_by(object())
        await asyncio.sleep(5)
        scope.hear()
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await attempt(commit, scope, opening(), witnesses=Nobody(), timeout=1)


async def test_an_answer_that_comes_after_the_end_cuts_nobody():
    """Another task had sent it, and its function was cancelled meanwhile."""
    work = Work(has_committed=True, finding_out=1000, rest=0)
    running = asyncio.create_task(work.attempt())
    await asyncio.sleep(2)
    running.cancel()
    await asyncio.wait({running})
    work.scope.note_commit()
    work.scope.hear()
    assert running.cancelled()


@pytest.mark.integration
@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
@pytest.mark.parametrize(("lost", "rows"), [(Phase.COMMIT_REPLY, 1), (Phase.COMMIT_REQUEST, 0)])
@undisturbed
async def test_a_manager_cuts_it_as_well(driver, lost, rows):
    going_on = []

    async def write(session):
        await session.execute(text("INSERT INTO written VALUES (1)"))
        with contextlib.suppress(exc.SQLAlchemyError, StatementTimedOut):
            await session.commit()
        going_on.append(1)
        await asyncio.sleep(600)

    with PostgresServer(settings={"fsync": "off"}) as server:
        async with FaultProxy("127.0.0.1", server.port) as proxy:
            limits = {"attempt_timeout": 1.0, "timeout": 60.0}
            config = DatabaseConfig(url=server.url(driver, port=proxy.port), **limits)
            manager = DatabaseManager(config)
            try:
                await manager.transact(
                    lambda session: session.execute(text("CREATE TABLE written (n int)"))
                )
                proxy.strike(LinkFault.HALF_OPEN, lost)
                async with asyncio.timeout(30):
                    with pytest.raises(StatementTimedOut):
                        await manager.transact(write, max_retries=0)
                async with manager.session_scope() as session:
                    found = await session.execute(text("SELECT count(*) FROM written"))
                    assert (found.scalar_one(), going_on) == (rows, [1])
            finally:
                await manager.close()
