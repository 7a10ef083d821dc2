"""What may befall a SQLite file, at the moments at which it can, and each way it may end.

    LOCKED     somebody else writes: the first write waits      passes, outlasts, is given up
    ENDLESS    a statement computes and computes                         outlasts, is given up
    FULL       no room is left for what is written              told at once
    READ_ONLY  the file may not be written                      told at once
    GONE       its folder is not there when it is opened        told at once

There is no network, so nothing is lost between a question and its answer; BEGIN and ROLLBACK wait
for nobody, nor does the COMMIT of whoever has the lock already, as readers are in nobody's way. A
file that is renamed under an open connection goes on being written.
"""

import asyncio
import shutil
import sqlite3
import time
from contextlib import closing, contextmanager, nullcontext
from enum import Enum
from itertools import product

import pytest
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager, Kind, judge
from koo.errors import DeadlineExceeded
from koo.resilience import BreakerConfig, RetryConfig
from koo.testing.cancellation import Moment, _cancel_before_waking, _Cut

from .cases import Ending

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

DEADLINE = 1.0
PATIENCE = 30.0
TOLERANCE = 0.5
SOON = 0.15
TRIALS = 5
"""How often a case is played at most until it took no longer than it must: machines are busy."""
COUNTING = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c"


class Fault(Enum):
    LOCKED = "somebody else writes"
    ENDLESS = "a statement has no end"
    FULL = "no room is left"
    READ_ONLY = "the file may not be written"
    GONE = "its folder is not there"


SILENT = (Fault.LOCKED, Fault.ENDLESS)
TOLD = {
    Fault.FULL: Kind.OVERLOADED,
    Fault.READ_ONLY: Kind.READ_ONLY,
    Fault.GONE: Kind.INTERNAL,
}
CASES = [
    (Fault.LOCKED, Ending.FINISH),
    *product(SILENT, [Ending.TIMEOUT, Ending.CANCEL]),
    *((fault, Ending.FINISH) for fault in TOLD),
]


class File:
    """A database in a folder of its own, with an empty ledger."""

    def __init__(self, folder):
        self.folder = folder
        self.folder.mkdir()
        self.path = folder / "app.db"
        with closing(sqlite3.connect(self.path)) as mine:
            mine.execute("PRAGMA journal_mode = WAL")
            mine.execute("CREATE TABLE ledger (n INTEGER, weight BLOB)")

    def url(self, fault):
        if fault is Fault.READ_ONLY:
            return f"sqlite:///file:{self.path}?mode=ro&uri=true"
        return f"sqlite:///{self.path}"

    def rows(self):
        with closing(sqlite3.connect(self.path)) as mine:
            return mine.execute("SELECT count(*) FROM ledger").fetchone()[0]

    @contextmanager
    def locked(self, loop, seconds):
        """Written by somebody else, until *seconds* have passed or the block ends."""
        with closing(sqlite3.connect(self.path, isolation_level=None)) as theirs:
            theirs.execute("BEGIN IMMEDIATE")
            loop.call_later(seconds, theirs.execute, "COMMIT")
            yield


def manager_for(url, deadline=PATIENCE):
    return DatabaseManager(
        DatabaseConfig(
            url=url,
            pool_size=2,
            max_overflow=0,
            timeout=deadline,
            attempt_timeout=deadline,
            check_timeout=2.0,
            commit_tokens="off",
            retry=RetryConfig(max_retries=0),
            # On a busy machine many are late; the circuit has tests of its own.
            breaker=BreakerConfig(failure_threshold=100_000),
        )
    )


async def meet(fault, session):
    """One write, which meets *fault*."""
    if fault is Fault.FULL:
        await session.execute(text("PRAGMA max_page_count = 1"))
    if fault is Fault.ENDLESS:
        await session.execute(text("INSERT INTO ledger VALUES (1, NULL)"))
        await session.execute(text(COUNTING))
    await session.execute(text("INSERT INTO ledger VALUES (1, zeroblob(100000))"))


async def call(manager, door, work):
    if door == "transact":
        return await manager.transact(work, max_retries=0)
    async with manager.session_scope() as session:
        return await work(session)


def strike(fault, file, loop, ending):
    """The fault itself, for the length of a block."""
    if fault is Fault.LOCKED:
        return file.locked(loop, SOON if ending is Ending.FINISH else 60)
    return nullcontext()


@pytest.mark.parametrize("door", ["transact", "scope"])
@pytest.mark.parametrize(
    ("fault", "ending"), CASES, ids=[f"{one.name}-{end.name}" for one, end in CASES]
)
async def test_a_fault_of_the_file_costs_no_more_than_it_must(tmp_path, fault, ending, door):
    for trial in range(TRIALS):
        file = File(tmp_path / f"data{trial}")
        took = await played(file, fault, ending, door)
        if took < DEADLINE + TOLERANCE:
            return
    pytest.fail(f"took {took:.2f} s")


async def played(file, fault, ending, door):
    """After how long the caller is told what is right of a write that meets *fault*."""
    if fault is Fault.GONE:
        shutil.rmtree(file.folder)
    deadline = DEADLINE if ending is Ending.TIMEOUT else PATIENCE
    manager = manager_for(file.url(fault), deadline)
    try:
        if fault is not Fault.GONE:
            assert await call(manager, "scope", lambda session: session.execute(text("SELECT 1")))
        with strike(fault, file, asyncio.get_running_loop(), ending):
            result, took = await told(call(manager, door, lambda s: meet(fault, s)), ending)
        assert result == expected(fault, ending)
        if fault in {*SILENT, Fault.FULL}:
            await has_recovered(manager, file, 1 if result == "done" else 0)
        return took
    finally:
        await manager.close()


def expected(fault, ending):
    if fault in TOLD:
        return TOLD[fault]
    return {Ending.FINISH: "done", Ending.TIMEOUT: Kind.TIMEOUT, Ending.CANCEL: "cancelled"}[ending]


async def told(calling, ending):
    """What the caller is told, and after how long."""
    task, began = asyncio.ensure_future(calling), time.monotonic()
    if ending is Ending.CANCEL:
        await asyncio.sleep(SOON)
        task.cancel()
    await asyncio.wait({task}, timeout=60)
    took = time.monotonic() - began
    if task.cancelled():
        return "cancelled", took
    match task.exception():
        case None:
            return "done", took
        case DeadlineExceeded():
            return Kind.TIMEOUT, took
        case error:
            return judge(error).kind, took


async def has_recovered(manager, file, rows):
    """Nothing is left of what failed, and every place can be had and written by."""
    async with asyncio.timeout(30):
        while manager.stats().pool.active or not await can_be_written(manager):
            await asyncio.sleep(0.01)
    assert file.rows() == rows + 1


async def can_be_written(manager):
    """Whether the lock is free, by the last of all places; a row more if it is."""
    try:
        async with manager.session_scope() as one, manager.session_scope() as other:
            await one.execute(text("SELECT count(*) FROM ledger"))
            await other.execute(text("INSERT INTO ledger VALUES (2, NULL)"))
    except DeadlineExceeded:
        return False
    return True


class CutAt:
    """Cancels the operation at its *k*-th wait."""

    def __init__(self, make_operation, k, moment):
        self.make_operation = make_operation
        self.k = k
        self.moment = moment
        self.waits = 0

    def suspended_on(self, awaited):
        self.waits += 1
        if self.waits == self.k:
            if self.moment is Moment.WAITING:
                asyncio.current_task().cancel()
            else:
                _cancel_before_waking(asyncio.current_task(), awaited)


@pytest.mark.parametrize("moment", list(Moment))
@pytest.mark.parametrize("door", ["transact", "scope"])
async def test_a_cancellation_at_any_wait_leaves_all_or_nothing(tmp_path, door, moment):
    file, seen, k = File(tmp_path / "data"), set(), 0
    manager = manager_for(file.url(Fault.LOCKED))

    async def write(session):
        await session.execute(text("INSERT INTO ledger VALUES (1, NULL)"))

    try:
        while True:
            k += 1
            before = file.rows()
            trial = CutAt(lambda: call(manager, door, write), k, moment)
            task = asyncio.ensure_future(_Cut(trial))
            await asyncio.wait({task}, timeout=60)
            async with asyncio.timeout(30):
                while not await can_be_written(manager):
                    await asyncio.sleep(0.01)
            written = file.rows() - before - 1
            assert written == 1 if not task.cancelled() else written in {0, 1}
            seen.add(task.cancelled())
            if trial.waits < k:
                break
        assert k > 3
        assert seen == {True, False}
    finally:
        await manager.close()
