"""By its marks a server is known to have given out its transactions' numbers anew."""

import asyncio
import os
import signal
from dataclasses import dataclass

import asyncpg
import pytest
from sqlalchemy import exc, text

from koo.database.commit.numbers import _CLUSTER, _MARKS, Numbers
from koo.errors import CommitOutcomeUnknown
from koo.testing import Action, FaultProxy, Phase, PostgresServer

from ..saying import say_to

pytestmark = pytest.mark.integration

FAST = {"fsync": "off", "shared_buffers": "16MB"}


@dataclass(frozen=True)
class Marks:
    """What is known of a server: the first and the last three are compared after a lost COMMIT."""

    cluster: str
    started: str
    counted_since: str
    timeline: str

    @classmethod
    async def of(cls, server):
        told = await say_to(server, f"SELECT concat_ws(' ', {_CLUSTER}, {_MARKS})")
        cluster, day, time, other_day, other_time, timeline = told.split(" ")
        return cls(cluster, f"{day} {time}", f"{other_day} {other_time}", timeline)


async def crash_a_backend(server):
    """Kill -9 of one backend, whose server ends the others and begins again; the marks then."""
    before, doomed = await Marks.of(server), await asyncpg.connect(server.url(""))
    os.kill(await doomed.fetchval("SELECT pg_backend_pid()"), signal.SIGKILL)
    async with asyncio.timeout(30):
        while (now := await _seen(server)) in {None, before}:
            await asyncio.sleep(0.02)
    doomed.terminate()
    return now


async def _seen(server):
    try:
        return await Marks.of(server)
    except (OSError, asyncpg.PostgresError, exc.DBAPIError):
        return None


async def test_the_crash_of_a_backend_shows_only_in_since_when_is_counted(victim):
    before = await Marks.of(victim)
    assert await Marks.of(victim) == before
    after = await crash_a_backend(victim)
    assert (after.cluster, after.started) == (before.cluster, before.started)
    assert after.timeline == before.timeline
    assert after.counted_since > before.counted_since


async def test_a_promotion_shows_in_the_timeline():
    with PostgresServer(settings=FAST) as primary, primary.standby(settings=FAST) as standby:
        before = await Marks.of(primary)
        await asyncio.to_thread(standby.promote)
        after = await Marks.of(standby)
    assert after.cluster == before.cluster
    assert (before.timeline, after.timeline) == ("00000001", "00000002")


async def test_what_had_committed_before_a_backend_crashed_is_unknown(victim, driver, opened):
    await say_to(
        victim,
        "CREATE TABLE ledger (n INTEGER)",
        "CREATE PUBLICATION everything FOR ALL TABLES",
    )

    async def crash_and_cut(chunk):
        if Phase.COMMIT_REPLY not in chunk.phases:
            return Action.PASS
        proxy.hook = None
        await crash_a_backend(victim)
        return Action.CUT

    async def insert(session):
        await session.execute(text("INSERT INTO ledger VALUES (1)"))

    async with (
        FaultProxy("127.0.0.1", victim.port) as proxy,
        opened(victim.url(driver, port=proxy.port)) as manager,
    ):
        await manager.transact(insert)
        assert isinstance(manager._engines.witnesses.known, Numbers)
        proxy.hook = crash_and_cut
        with pytest.raises(CommitOutcomeUnknown):
            await manager.transact(insert)
    assert await say_to(victim, "SELECT count(*) FROM ledger") == 2
