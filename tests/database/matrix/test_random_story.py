"""Whatever befalls a pool on a real server, in whatever order: nothing is lost or left over.

The long model of the pool (`pool/test_faults.py`) has a server that does as it is told; here are a
PostgreSQL, its drivers and a network that harms them. The same dice fall again, but not at the same
moments, so a story that ends badly can't be made shorter.
"""

import asyncio
import gc
import random

import pytest
from sqlalchemy import exc, text

from koo.database import DatabaseConfig, DatabaseManager
from koo.errors import CommitOutcomeUnknown, KooError
from koo.resilience import Backoff, BreakerConfig, RetryConfig
from koo.testing import BlackHole, FaultProxy, LinkFault, Phase

from .play import until

pytestmark = [pytest.mark.integration, pytest.mark.properties, pytest.mark.timeout(300)]

STEPS = 1000
PAUSES = [0, 0.001, 0.02, 0.05]
HELD = [0, 0, 0.01, 0.1]
OFTEN = {
    "call": 60,
    "cancel": 8,
    "heal": 8,
    "strike": 8,
    "reset": 2,
    "refuse": 2,
    "go_dark": 2,
    "kill": 4,
    "pause": 1,
    "drain": 1,
    "resume": 6,
    "resize": 2,
}
KILL = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE client_port = ANY(:ports) ORDER BY random() LIMIT 1
"""


class Story:
    """One pool behind a proxy, its callers, and what befalls them."""

    def __init__(self, server, proxy, driver, dice):
        self.server, self.proxy, self.dice = server, proxy, dice
        self.calls, self.others = {}, set()
        self.manager = DatabaseManager(
            DatabaseConfig(
                url=server.url(driver, port=proxy.port),
                pool_size=2,
                max_overflow=2,
                pool_timeout=0.5,
                pool_recycle=1,
                timeout=1.0,
                attempt_timeout=0.5,
                check_timeout=0.3,
                retry=RetryConfig(max_retries=1, backoff=Backoff(base_delay=0.01, max_delay=0.05)),
                # With an open circuit nothing more would befall the pool.
                breaker=BreakerConfig(failure_threshold=100_000),
            )
        )

    async def told(self, steps):
        events, often = list(OFTEN), list(OFTEN.values())
        for event in self.dice.choices(events, often, k=steps):
            await getattr(self, event)()
            await asyncio.sleep(self.dice.choice(PAUSES))

    # -- what befalls it ----------------------------------------------------------------

    async def call(self):
        work = self.dice.choice([self.by_scope, self.by_transact])
        number = len(self.calls)
        self.calls[number] = asyncio.create_task(work(number, self.dice.choice(HELD)))

    async def by_scope(self, number, held):
        async with self.manager.session_scope() as session:
            await self.write(session, number, held)

    async def by_transact(self, number, held):
        await self.manager.transact(lambda session: self.write(session, number, held))

    async def write(self, session, number, held):
        await session.execute(text("INSERT INTO ledger VALUES (:n)"), {"n": number})
        await asyncio.sleep(held)

    async def cancel(self):
        if under_way := [call for call in self.calls.values() if not call.done()]:
            self.dice.choice(under_way).cancel()

    async def heal(self):
        await self.proxy.heal()

    async def strike(self):
        self.proxy.strike(self.dice.choice(list(LinkFault)), self.dice.choice(list(Phase)))

    async def reset(self):
        self.proxy.reset_all()

    async def refuse(self):
        self.proxy.refuse()

    async def go_dark(self):
        self.proxy.black_hole = self.dice.choice([BlackHole.NEW, BlackHole.ALL])

    async def kill(self):
        async with self.server.look() as connection:
            await connection.execute(text(KILL), {"ports": sorted(self.proxy.traffic.ports)})

    async def pause(self):
        self.manager.pause()

    async def drain(self):
        self.others.add(asyncio.create_task(self.manager.drain(0.1)))

    async def resume(self):
        self.manager.resume()

    async def resize(self):
        kept, more = self.dice.randint(1, 3), self.dice.randint(0, 2)
        self.manager.resize(pool_size=kept, max_overflow=more)

    # -- how it ends -----------------------------------------------------------------------

    async def ended(self):
        """What is wrong when all is well again, in words."""
        await self.proxy.heal()
        under_way = {*self.calls.values(), *self.others}
        if (await asyncio.wait(under_way, timeout=20))[1]:
            return ["somebody waits for ever"]
        self.manager.resume()
        told = [self.about_the_errors(), await self.about_the_pool(), await self.about_the_ledger()]
        if not await until(self.has_no_orphan, 5):
            told.append(f"{await self.backends()} beside {self.manager.stats().pool}")
        await self.manager.close()
        if not await until(self.has_no_backend, 5):
            told.append(f"{await self.backends()} after the end")
        return [one for one in told if one]

    def about_the_errors(self):
        errors = [call.exception() for call in self.calls.values() if not call.cancelled()]
        return [one for one in errors if not isinstance(one, KooError | exc.DBAPIError | None)]

    async def about_the_pool(self):
        """Every place can be had, all at once."""
        if not await until(self.is_whole, 20):
            return f"has lost a place: {self.manager.stats().pool}"
        pool = self.manager.stats().pool
        return None if pool.active == pool.waiting == 0 else f"is not whole: {pool}"

    async def is_whole(self):
        places = self.manager.config.pool_size + self.manager.config.max_overflow
        meeting, met = asyncio.Barrier(places), []

        async def meet():
            async with self.manager.session_scope() as session:
                await session.execute(text("SELECT 2"))
                met.append(await meeting.wait())

        try:
            async with asyncio.TaskGroup() as guests:
                for _ in range(places):
                    guests.create_task(meet())
        except* (KooError, exc.DBAPIError):
            met.clear()
        return bool(met)

    async def about_the_ledger(self):
        """Who is told that it is done finds it once, and who may repeat it does not find it."""
        async with self.server.look() as connection:
            found = list((await connection.execute(text("SELECT n FROM ledger"))).scalars())
        done = {number for number, call in self.calls.items() if _is_done(call)}
        doubtful = {number for number, call in self.calls.items() if _is_doubtful(call)}
        wrong = (done - set(found)) | (set(found) - done - doubtful)
        return f"{wrong} in a ledger of {found}" if wrong or len(found) > len(set(found)) else None

    async def backends(self):
        return await self.server.backends(self.proxy.traffic.ports)

    async def has_no_orphan(self):
        backends, total = await self.backends(), self.manager.stats().pool.total
        return set(backends) <= {"idle"} and len(backends) == total

    async def has_no_backend(self):
        return not await self.backends()


def _is_done(call):
    return not call.cancelled() and call.exception() is None


def _is_doubtful(call):
    return call.cancelled() or isinstance(call.exception(), CommitOutcomeUnknown)


# psycopg says so of each stream whose connection was torn off, when it is collected.
@pytest.mark.filterwarnings("ignore:.*was deleted while still open:ResourceWarning")
async def test_whatever_befalls_a_pool_on_a_real_server_nothing_is_left_over(
    crowded, driver, scale, seed
):
    async with crowded.opened() as server, FaultProxy("127.0.0.1", server.port) as proxy:
        story = Story(server, proxy, driver, random.Random(seed))
        try:
            await story.told(int(STEPS * scale))
            wrong = await story.ended()
        finally:
            await story.manager.close()
    gc.collect()
    assert not wrong
