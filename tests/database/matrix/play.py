"""One case, played through a proxy of its own; whatever is wrong comes back as words."""

import asyncio
import time
from contextlib import asynccontextmanager, suppress

from sqlalchemy import exc, text

from koo import errors
from koo.database import DatabaseConfig, DatabaseManager, Kind, judge
from koo.testing import FaultProxy, Phase

from .cases import NEWS, Asked, Ending, Result

DEADLINE = 2.0
CHECK_TIMEOUT = 1.0
HEALED_AFTER = 0.15
CANCELLED_AFTER = 0.1
TOLERANCE = 0.5
TRIALS = 5
"""How often a case is played at most until nothing is wrong: a busy machine makes everything late.
"""
UNHEARD = 0.15
RECOVERED_AFTER = 0.5
"""How long after its end a call is watched."""
PLACES = 2
NEW = {Phase.SET, Phase.BEGIN, Phase.STATEMENT, Phase.FETCH, Phase.COMMIT_REQUEST}
"""What no call may begin after its end, or after its deadline."""
SEEN_AFTER = 0.1
"""How soon the proxy has seen what was said before."""
FEW, MANY = 10, 1000
ROWS = f"SELECT n FROM generate_series(1, {MANY}) AS n"
GOODBYES = (b"SET AUTOCOMMIT", b"@@hostname", b"Uptime", b"KILL")
"""What is said to connect, and to end what nobody waits for, comes from no call."""
TOLD = {Result.DONE, Result.MINE, Result.LOST, Result.LATE}
"""What leaves no doubt of what is in the ledger."""
KINDS = {Kind.CONNECTION: Result.LOST, Kind.TIMEOUT: Result.LATE}


class Mine(Exception):
    """The function's own error."""


class Play:
    """A case on its way: what happened when."""

    def __init__(self, case, server, proxy):
        self.case = case
        self.proxy = proxy
        self.server = server
        self.began = self.ended = self.deadline = 0.0
        self.asked = []
        self.row = next(server.rows)
        self.heard_of_dials = 0
        self.has_lied = False
        self.is_due = asyncio.Event() if case.is_elsewhere else proxy.struck
        proxy.witness = self._note
        proxy.drip = 0.2
        self.manager = DatabaseManager(
            DatabaseConfig(
                url=server.url(case.driver, port=proxy.port),
                pool_size=PLACES,
                max_overflow=0,
                pool_timeout=DEADLINE,
                timeout=DEADLINE,
                # What is late after a COMMIT is no failure, unless the whole call is late by it.
                attempt_timeout=DEADLINE / 2 if case.takes_back else DEADLINE,
                check_timeout=CHECK_TIMEOUT,
            )
        )

    def _note(self, chunk):
        said_in_background = any(words in chunk.payload for words in GOODBYES)
        if NEW & set(chunk.phases) and not said_in_background:
            self.asked.append(time.monotonic())

    # -- the call ----------------------------------------------------------------

    @property
    def statement(self):
        if self.case.asked is Asked.READONLY:
            return "SELECT count(*) FROM ledger WHERE n = :n"
        return "INSERT INTO ledger VALUES (:n)"

    @property
    def is_dialing(self):
        return self.case.phase in {Phase.CONNECT, Phase.AUTH}

    async def warm_up(self):
        """Open a connection, unless opening it is the case; let it cool down for its ping."""
        if self.is_dialing:
            return
        if not await until(self.is_warm, 30):
            raise TimeoutError
        self.heard_of_dials = self.manager.stats().breaker.failures
        if self.case.phase is Phase.PING:
            await asyncio.sleep(1.1)

    async def is_warm(self):
        try:
            await self.select()
        except (errors.KooError, exc.DBAPIError):
            return False
        return True

    async def select(self):
        async with self.manager.session_scope() as session:
            await session.execute(text("SELECT 2"))

    def strike(self, *phases):
        if self.case.phase in phases:
            self.proxy.strike(self.case.fault, self.case.phase)

    async def work(self, session):
        self.strike(Phase.BEGIN)
        if self.case.phase is Phase.STATEMENT:
            await session.execute(text("SELECT 2"))
            self.strike(Phase.STATEMENT)
        if self.case.phase is Phase.FETCH:
            await self.read(session)
        await session.execute(text(self.statement), {"n": self.row})
        self.strike(Phase.COMMIT_REQUEST, Phase.COMMIT_REPLY, Phase.ROLLBACK)
        if self.case.takes_back:
            self.strike(Phase.SET)
        if self.case.is_elsewhere:
            self.is_due.set()
            await asyncio.Event().wait()
        if self.case.phase is Phase.ROLLBACK:
            raise Mine

    async def read(self, session):
        """Read a stream, all rows but the first few of which meet the fault."""
        rows = await session.stream(text(ROWS))
        parts = rows.partitions(FEW)
        await anext(parts)
        self.strike(Phase.FETCH)
        assert sum([len(part) async for part in parts]) == MANY - FEW

    async def call(self):
        self.strike(Phase.CONNECT, Phase.AUTH, Phase.PING, Phase.CLOSE)
        if not self.case.takes_back:
            self.strike(Phase.SET)
        self.began = time.monotonic()
        self.deadline = self.began + DEADLINE
        try:
            if self.case.phase is Phase.CLOSE:
                await self.manager.close()
            elif self.case.is_transact:
                await self.manager.transact(self.work, max_retries=0, **self.case.options)
            else:
                async with self.manager.session_scope(**self.case.options) as session:
                    await self.work(session)
        finally:
            self.ended = time.monotonic()

    async def result(self):
        """What the caller gets."""
        calling = asyncio.create_task(self.call())
        meddling = asyncio.create_task(self.meddle(calling))
        try:
            await asyncio.wait({calling}, timeout=DEADLINE + 5)
            if not calling.done():
                return "hangs"
            return _result(calling)
        finally:
            meddling.cancel()
            calling.cancel()

    async def meddle(self, calling):
        """Heal or cancel, a while after the fault has struck, or before it does."""
        await self.is_due.wait()
        if self.case.ending is Ending.FINISH:
            await asyncio.sleep(HEALED_AFTER)
            await self.proxy.heal()
        elif self.case.ending is Ending.CANCEL:
            await asyncio.sleep(CANCELLED_AFTER)
            # From here on, every moment is too late.
            self.began = time.monotonic() - DEADLINE
            self.deadline = time.monotonic() + SEEN_AFTER
            calling.cancel()

    # -- what is checked -----------------------------------------------------------

    async def complaints(self):
        await self.warm_up()
        result = await self.result()
        if result not in self.case.expected():
            yield f"{result}, not {self.case.expected()}"
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await self.proxy.struck.wait()
        if not self.proxy.struck.is_set():
            yield "the fault did not strike"
        if self.ended - self.began > DEADLINE + TOLERANCE:
            yield f"took {self.ended - self.began:.2f} s"
        await asyncio.sleep(UNHEARD)
        over = min(self.ended, self.deadline)
        if self.case.ending is not Ending.FINISH and any(at > over for at in self.asked):
            yield "began something after its end, or after its deadline"
        if self.case.fault in NEWS and (complaint := await self.about_the_server()):
            yield complaint
        await self.proxy.heal()
        for complaint in (
            await self.about_the_ledger(result),
            await self.about_the_server(),
            await self.about_the_pool(),
            self.about_the_breaker(result),
        ):
            if complaint:
                yield complaint
        await self.manager.close()
        if not await until(self.has_no_backend, 1):
            yield "left a backend after it was closed"

    async def about_the_ledger(self, result):
        """Who is told that it is done finds it done; who may repeat it does not find it."""
        query = text("SELECT count(*) FROM ledger WHERE n = :n")
        async with self.server.look() as connection:
            found = (await connection.execute(query, {"n": self.row})).scalar_one()
        wrote = self.case.asked is not Asked.READONLY
        is_done = wrote and result is Result.DONE and self.case.phase is not Phase.CLOSE
        is_late = self.case.is_committing or self.case.takes_back
        in_doubt = result is Result.UNKNOWN or (is_late and result is Result.CANCELLED)
        may_be_done = is_done or in_doubt
        if is_done > found or found > may_be_done:
            self.has_lied = result in TOLD
            return f"{found} in the ledger"
        return None

    async def about_the_server(self):
        """No backend works or waits for somebody who has gone."""
        if not await until(self.has_no_orphan, 1):
            return f"left backends {await self.backends()} beside {self.manager.stats().pool}"
        return None

    async def about_the_pool(self):
        """Every place can be had again, all at once, as soon as the server was dialed again.

        Only a dial that is still in the dark keeps who needs it, until its own end.
        """
        dark = CHECK_TIMEOUT if self.is_dialing else 0
        if not await until(self.is_back, dark + RECOVERED_AFTER):
            return "has not come back"
        meeting = asyncio.Barrier(PLACES)

        async def meet():
            async with self.manager.session_scope() as session:
                await session.execute(text("SELECT 2"))
                await meeting.wait()

        try:
            async with asyncio.timeout(20):
                await asyncio.gather(*(meet() for _ in range(PLACES)))
        except Exception as error:  # noqa: BLE001
            return f"has lost a place: {error!r}"
        active = self.manager.stats().pool.active
        return f"{active} still active" if active else None

    async def is_back(self):
        try:
            await self.select()
        except errors.DatabaseUnavailable:
            return False
        except exc.DBAPIError as error:
            if not self.is_dialing or judge(error).kind not in KINDS:
                raise
            self.heard_of_dials += 1
            return False
        return True

    def about_the_breaker(self, result):
        failures = self.manager.stats().breaker.failures - self.heard_of_dials
        blamed = result in {Result.LOST, Result.UNKNOWN, Result.LATE}
        excused = result in {Result.MINE, Result.CANCELLED, Result.DONE}
        if (blamed and not failures) or (excused and failures):
            return f"counted {failures} failures for {result}"
        return None

    async def backends(self):
        return await self.server.backends(self.proxy.traffic.ports)

    async def has_no_orphan(self):
        backends = await self.backends()
        return set(backends) <= {"idle"} and len(backends) <= self.manager.stats().pool.total

    async def has_no_backend(self):
        return not await self.backends()


def _result(task):
    if task.cancelled():
        return Result.CANCELLED
    match task.exception():
        case None:
            return Result.DONE
        case Mine():
            return Result.MINE
        case errors.CommitOutcomeUnknown():
            return Result.UNKNOWN
        case errors.DeadlineExceeded():
            return Result.LATE
        case error:
            return KINDS.get(judge(error).kind, error)


async def until(condition, seconds):
    end = time.monotonic() + seconds
    while not await condition():
        if time.monotonic() > end:
            return False
        await asyncio.sleep(0.05)
    return True


@asynccontextmanager
async def playing(case, server):
    async with FaultProxy("127.0.0.1", server.port) as proxy:
        play = Play(case, server, proxy)
        try:
            yield play
        finally:
            await play.manager.close()


async def complaints(case, server):
    """What is wrong with *case* however often it is played, in words; a lie is told at once."""
    found, has_lied = await _played(case, server)
    trials = 1
    while found and not has_lied and trials < TRIALS:
        trials += 1
        async with server.few_at_once:
            found, has_lied = await _played(case, server)
    server.repeated += trials - 1
    return [f"{case}: {complaint}" for complaint in found]


async def _played(case, server):
    found, plays = [], []
    try:
        async with playing(case, server) as play:
            plays.append(play)
            found.extend([complaint async for complaint in play.complaints()])
    except Exception as error:  # noqa: BLE001
        found.append(f"ended with {error!r}")
    return found, any(play.has_lied for play in plays)
