"""A COMMIT to a real MariaDB that gets lost on its way, or whose answer does."""

from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from koo.errors import CommitOutcomeUnknown
from koo.testing import Action, FaultProxy, LinkFault, Phase

pytestmark = pytest.mark.integration

OLD = """
    INSERT INTO koo_commit_tokens (token, made, fenced)
    SELECT rpad(lpad(lower(hex(1000 * at)), 12, '0'), 32, '{fenced}'), from_unixtime(at), {fenced}
    FROM (SELECT unix_timestamp() - 3600 * {hours} AS at) AS moment
"""
LEFT = "SELECT fenced FROM koo_commit_tokens WHERE made < now() - INTERVAL 1 HOUR"


@asynccontextmanager
async def losing_a_commit(mariadb, opened, lost):
    async with (
        FaultProxy("127.0.0.1", mariadb.port) as proxy,
        opened(mariadb.url(port=proxy.port), timeout=2.0) as manager,
    ):
        async with manager.session_scope() as session:
            await session.execute(text("SELECT 2"))
        phase = Phase.COMMIT_REQUEST if lost == "request" else Phase.COMMIT_REPLY
        proxy.strike(LinkFault.RESET, phase)
        yield manager


@pytest.mark.parametrize(("lost", "rows"), [("request", 0), ("reply", 1)])
async def test_a_scope_s_lost_commit_is_called_unknown(mariadb, opened, ask, lost, rows):
    await ask(mariadb, f"CREATE OR REPLACE TABLE {lost}s (n INTEGER)")
    async with losing_a_commit(mariadb, opened, lost) as manager:
        with pytest.raises(CommitOutcomeUnknown):
            async with manager.session_scope() as session:
                await session.execute(text(f"INSERT INTO {lost}s VALUES (1)"))
    assert await ask(mariadb, f"SELECT count(*) FROM {lost}s") == [rows]


@pytest.mark.parametrize("lost", ["request", "reply"])
async def test_a_function_s_lost_commit_is_found_out(mariadb, opened, ask, lost):
    await ask(mariadb, f"CREATE OR REPLACE TABLE {lost}s (n INTEGER)")
    async with losing_a_commit(mariadb, opened, lost) as manager:
        insert = text(f"INSERT INTO {lost}s VALUES (1)")
        await manager.transact(lambda session: session.execute(insert))
    assert await ask(mariadb, f"SELECT count(*) FROM {lost}s") == [1]


async def test_what_a_table_that_was_emptied_meanwhile_could_have_told_is_unknown(
    mariadb, opened, ask
):
    await ask(mariadb, "CREATE OR REPLACE TABLE emptied (n INTEGER)")
    insert = text("INSERT INTO emptied VALUES (1)")

    async def empty_and_cut(chunk):
        if Phase.COMMIT_REPLY not in chunk.phases:
            return Action.PASS
        proxy.hook = None
        await ask(mariadb, "TRUNCATE koo_commit_tokens")
        return Action.CUT

    async with (
        FaultProxy("127.0.0.1", mariadb.port) as proxy,
        opened(mariadb.url(port=proxy.port)) as manager,
    ):
        await manager.transact(lambda session: session.execute(insert))
        proxy.hook = empty_and_cut
        with pytest.raises(CommitOutcomeUnknown):
            await manager.transact(lambda session: session.execute(insert))
        await manager.transact(lambda session: session.execute(insert))
    assert await ask(mariadb, "SELECT count(*) FROM emptied") == [3]


async def test_old_tokens_go_and_fences_a_day_later(mariadb, opened, ask):
    await ask(mariadb, "CREATE OR REPLACE TABLE cleaned (n INTEGER)")
    insert = text("INSERT INTO cleaned VALUES (1)")
    async with opened(mariadb.url()) as manager:
        await manager.transact(lambda session: session.execute(insert))
        for hours, fenced in ((2, 0), (2, 1), (26, 1)):
            await ask(mariadb, OLD.format(hours=hours, fenced=fenced))
        witnesses = manager._engines.witnesses
        assert await witnesses._cleaned() == 2
        assert await ask(mariadb, LEFT) == [1]
        assert witnesses.known is not None
