"""SQLite, whose token is a statement of its own."""

import asyncio

import pytest
from sqlalchemy import exc, text

from koo import errors
from koo.testing import FakeClock

pytestmark = pytest.mark.integration

TOKENS = "SELECT count(*) FROM koo_commit_tokens WHERE token < 'f'"


async def write(session):
    await session.execute(text("INSERT INTO ledger VALUES (1)"))
    return "written"


async def scalar(manager, statement):
    async with manager.session_scope() as session:
        return (await session.execute(text(statement))).scalar_one()


class Fault:
    """A COMMIT that breaks before or after it is done, *times* times."""

    def __init__(self, manager, *, before, times=1):
        self.sending = manager.engine.sync_engine.dialect.do_commit.__self__
        self.commit = self.sending._commit
        self.before = before
        self.times = times
        self.sending._commit = self

    def __call__(self, connection):
        self.times -= 1
        if self.times < 0:
            return self.commit(connection)
        if not self.before:
            self.commit(connection)
        raise OSError("the disk has gone")


async def test_the_table_is_made_by_the_first_transaction(sqlite_url, opened, ledger_in):
    async with opened(sqlite_url) as manager:
        await ledger_in(manager)
        with pytest.raises(exc.OperationalError, match="no such table"):
            await scalar(manager, TOKENS)
        assert await manager.transact(write) == "written"
        assert await scalar(manager, TOKENS) == 1
    async with opened(sqlite_url) as manager:
        await manager.transact(write)
        await manager.transact(lambda session: session.execute(text(" select 1")))
        assert await scalar(manager, TOKENS) == 2


async def test_a_table_that_is_dropped_meanwhile_is_made_again(sqlite_url, opened, ledger_in):
    async with opened(sqlite_url) as manager:
        await ledger_in(manager)
        await manager.transact(write)
        async with manager.session_scope() as session:
            await session.execute(text("DROP TABLE koo_commit_tokens"))
        assert await manager.transact(write, max_retries=1) == "written"
        assert await scalar(manager, "SELECT count(*) FROM ledger") == 2
        assert await scalar(manager, TOKENS) == 1


@pytest.mark.parametrize("before", [True, False])
async def test_a_lost_commit_is_found_out(sqlite_url, opened, ledger_in, before):
    async with opened(sqlite_url) as manager:
        await ledger_in(manager)
        await manager.transact(write)
        Fault(manager, before=before)
        assert await manager.transact(write) == "written"
        assert await scalar(manager, "SELECT count(*) FROM ledger") == 2


async def test_what_only_reads_is_as_unknown_as_ever(sqlite_url, opened, ledger_in):
    """Nothing but SELECT was said, and yet it may have written: nobody looked."""
    async with opened(sqlite_url) as manager:
        await ledger_in(manager)
        Fault(manager, before=True)
        with pytest.raises(errors.CommitOutcomeUnknown):
            await manager.transact(lambda session: session.execute(text("SELECT 1")))


async def test_a_fence_stays_a_fence(sqlite_url, opened, ledger_in):
    from koo.database.scope import Fate

    async with opened(sqlite_url) as manager:
        await ledger_in(manager)
        await manager.transact(write)
        witness = manager._engines.witnesses._witness
        trace = await traced(manager, witness)
        for _ in range(2):
            async with manager._engines._fresh() as connection:
                assert await trace.judge(connection) is Fate.ABSENT
        async with manager.session_scope() as session:
            await session.execute(text("UPDATE koo_commit_tokens SET fenced = 0"))
        async with manager._engines._fresh() as connection:
            assert await trace.judge(connection) is Fate.COMMITTED


async def traced(manager, witness):
    """The trace of a transaction that was rolled back."""
    from koo.database.scope import Scope

    scope = Scope("here", wrote=True)
    async with manager.engine.connect() as connection:
        held = connection.sync_connection.connection
        return await connection.run_sync(lambda _: witness.attend(held, scope))


async def test_old_tokens_go(sqlite_url, opened, ledger_in):
    async with opened(sqlite_url) as manager:
        await ledger_in(manager)
        await manager.transact(write)
        async with manager.session_scope() as session:
            for hours, fenced in ((2, 0), (2, 1), (26, 1)):
                await session.execute(
                    text(
                        "INSERT INTO koo_commit_tokens (token, made, fenced)"
                        " VALUES (:token, strftime('%s', 'now') - 3600 * :hours, :fenced)"
                    ),
                    {"token": f"{hours} {fenced}", "hours": hours, "fenced": fenced},
                )
        await manager._engines.witnesses._clean()
        assert await scalar(manager, TOKENS) == 2


async def test_a_token_that_vanishes_while_it_is_looked_for_is_asked_for_again(
    sqlite_url, opened, ledger_in
):
    async with opened(sqlite_url) as manager:
        await ledger_in(manager)
        await manager.transact(write)
        trace = await traced(manager, manager._engines.witnesses._witness)

        class Vanishing:
            async def execute(self, *_):
                return self

            async def execution_options(self, **_):
                pass

            def one_or_none(self):
                return None

        assert await trace.judge(Vanishing()) is None
        assert await asyncio.sleep(0) is None


# -- MariaDB and MySQL, by what they would say ---------------------------------------------------


class Scripted:
    """A server on which an open transaction holds the token's row."""

    def __init__(self, code=1205):
        self.code = code
        self.said = []

    async def execution_options(self, **_):
        pass

    async def execute(self, statement, _parameters=None):
        self.said.append(str(statement).partition(" (")[0])
        if "INSERT" in self.said[-1]:
            raise exc.OperationalError(None, None, Exception(self.code, "Lock wait timeout"))


class Held:
    """A lent connection of asyncmy's."""

    def __init__(self):
        self.said = []
        self.driver_connection = self

    def kill_at_server(self):
        self.said.append("kill")

    def cursor(self):
        return self

    def execute(self, statement):
        self.said.append(statement)

    def close(self):
        return None


def attended():
    from koo.database.commit.ledger import ledger_of
    from koo.database.scope import Scope

    held = Held()
    witness = ledger_of("mysql", FakeClock()).witness("mark")
    trace = witness.attend(held, Scope("here", wrote=True))
    assert held.said == [
        f"INSERT INTO koo_commit_tokens (token, fenced) VALUES ('{trace.token}', 0)"
    ]
    return trace, held


async def test_the_server_is_asked_to_end_who_holds_the_token():
    trace, held = attended()
    server = Scripted()
    assert await trace.judge(server) is None
    assert server.said == [
        "SET SESSION innodb_lock_wait_timeout = 1",
        "INSERT IGNORE INTO koo_commit_tokens",
    ]
    assert held.said[1:] == ["kill"]


async def test_another_error_of_the_fence_is_no_answer():
    trace, held = attended()
    with pytest.raises(exc.OperationalError):
        await trace.judge(Scripted(code=1040))
    assert held.said[1:] == []
