"""The server is killed again and again under load, and nobody is told anything wrong."""

import asyncio
import random
from collections import Counter
from contextlib import asynccontextmanager
from itertools import count, cycle

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from koo.database.commit.numbers import Numbers
from koo.testing import Action, FaultProxy, Phase

from .bank import WORKERS, Told, audit, by_name, count_fates, manager_for, open_bank, told

pytestmark = [pytest.mark.integration, pytest.mark.properties, pytest.mark.timeout(600)]

KILLS = 25
LOAD_BEFORE = (0.1, 0.4)
#: When the server is killed, in turns: a COMMIT takes so little of a transaction's time that a kill
#: at any moment hardly ever meets one.
AIMS = (Phase.COMMIT_REQUEST, None, Phase.COMMIT_REPLY, None)


class Marksman:
    """A hook that kills *victim* when a COMMIT is where it has been told to."""

    def __init__(self, victim):
        self.victim = victim
        self.aim = None
        self.has_hit = asyncio.Event()

    async def kill(self, aim):
        """Kill it at once, or at a COMMIT whose *aim* it is; returns when it is dead."""
        if aim is None:
            await asyncio.to_thread(self.victim.kill)
            return
        self.has_hit.clear()
        self.aim = aim
        async with asyncio.timeout(60):
            await self.has_hit.wait()

    async def __call__(self, chunk):
        if self.aim not in chunk.phases:
            return Action.PASS
        self.aim = None
        await asyncio.to_thread(self.victim.kill)
        self.has_hit.set()
        return Action.CUT


async def load(manager, numbers, tellings, seed):
    draw = random.Random(seed)
    for number in numbers:
        tellings[number] = await told(manager, number, draw, max_retries=100)


async def everybody_is_through(tellings, fates):
    """After the last crash somebody was told something as often as there are workers.

    And what a lost COMMIT has done is found out at least once.
    """
    enough = len(tellings) + WORKERS
    async with asyncio.timeout(60):
        while len(tellings) < enough or not fates:
            await asyncio.sleep(0.02)


async def everything(session):
    await session.execute(text("SELECT count(*) FROM transfers"))


async def publish_all(server):
    """So that no table may be made."""
    engine = create_async_engine(server.url(), isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text("CREATE PUBLICATION everything FOR ALL TABLES"))
    await engine.dispose()


async def test_a_server_that_is_killed_under_load_loses_and_doubles_nothing(
    fragile_vault, scale, seed, record_property
):
    victim, driver = fragile_vault
    heard, counted = await heard_of_kills(victim, driver, scale, seed)
    assert set(heard) == {Told.DONE}
    record_property("counted", counted)


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_nor_where_transactions_are_known_by_their_numbers(
    victim, driver, scale, seed, record_property
):
    """After a crash numbers are given out again: what they say then may be unknown, never wrong."""
    await publish_all(victim)
    heard, counted = await heard_of_kills(victim, driver, scale, seed, witness=Numbers)
    assert set(heard) <= {Told.DONE, Told.UNKNOWN}
    record_property("counted", counted)


@asynccontextmanager
async def opened(url):
    manager = manager_for(url, pool_size=WORKERS, attempt_timeout=10)
    try:
        yield manager
    finally:
        await manager.close()


async def heard_of_kills(victim, driver, scale, seed, *, witness=object):
    """What was told, none of it wrong, while *victim* was killed; how much of all."""
    draw, tellings, numbers = random.Random(seed), {}, count()
    kills, marksman = round(KILLS * scale), Marksman(victim)
    async with (
        FaultProxy("127.0.0.1", victim.port) as proxy,
        opened(victim.url(driver, port=proxy.port)) as manager,
    ):
        fates = count_fates(manager)
        await open_bank(manager)
        # Who is the witness is found out before anything is killed.
        await manager.transact(everything)
        proxy.hook = marksman
        tasks = [
            asyncio.create_task(load(manager, numbers, tellings, seed + n)) for n in range(WORKERS)
        ]
        for aim, _ in zip(cycle(AIMS), range(kills), strict=False):
            await asyncio.sleep(draw.uniform(*LOAD_BEFORE))
            await marksman.kill(aim)
            await asyncio.to_thread(victim.start)
        await everybody_is_through(tellings, fates)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        wrong = await audit(manager, tellings)
        assert not wrong, "\n".join(["", *wrong])
        assert isinstance(manager._engines.witnesses._witness, witness)
        heard = Counter(tellings.values())
        counted = {"driver": driver, "kills": kills, "seed": seed}
        return heard, counted | {"told": by_name(heard), "verdicts": by_name(fates)}
