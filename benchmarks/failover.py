"""What a change of server or password costs, and a client that vanishes.

scripts/bench failover [--row NAME ...] [--quick]

A run of all rows at full length writes docs/performance.md; any other only prints.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.figures import Figure, Section
from lab.rows import Benchmark
from sqlalchemy import text

from koo.database import Credentials, DatabaseConfig, DatabaseManager
from koo.errors import CommitOutcomeUnknown
from koo.resilience import Backoff, RetryConfig
from koo.testing import BlackHole, FaultProxy, PostgresServer

_DRIVERS = ("asyncpg", "psycopg")
_TASKS = 8
_ROTATION = 2.0
_SETTINGS = {"fsync": "off"}
_RETRY = RetryConfig(max_retries=40, backoff=Backoff(base_delay=0.05, max_delay=0.2))
_LIMIT = "idle limit 2 s (default 60 s)"
_DARK_MACHINE = Path(__file__).parents[1] / "tests" / "database" / "hosts" / "dark_machine.py"
_HOLD = text("SELECT n FROM ledger FOR UPDATE")
_HOLDER = """
import asyncio, sys
from sqlalchemy import text
from koo.database import DatabaseConfig, DatabaseManager

async def hold():
    manager = DatabaseManager(DatabaseConfig(url=sys.argv[1], idle_in_transaction_timeout=2))
    async with manager.session_scope() as session:
        await session.execute(text("SELECT n FROM ledger FOR UPDATE"))
        print("held", flush=True)
        await asyncio.sleep(60)

asyncio.run(hold())
"""


@dataclass(frozen=True, slots=True)
class Effort:
    """How many failovers, how many seconds of rotated passwords, how many locks, per driver."""

    failovers: int
    rotated_for: float
    locks: int


FULL = Effort(failovers=5, rotated_for=60.0, locks=3)
QUICK = Effort(failovers=1, rotated_for=6.0, locks=1)


def main() -> None:
    # The faults are ours; what each library writes about them is not what is measured.
    logging.disable(logging.CRITICAL)
    rows = {"promote": _promotions, "passwords": _passwords, "locks": _locks}
    peers = ("sqlalchemy", *_DRIVERS)
    Benchmark("failover", "Failover", peers, rows, FULL, QUICK).main()


# -- failover -----------------------------------------------------------------------------


async def _promotions(effort: Effort) -> Sequence[Section]:
    """Writes while the primary is killed and its standby promoted."""
    figures = [figure for driver in _DRIVERS for figure in await _failovers(driver, effort)]
    method = (
        f"A primary with a synchronous standby behind a proxy, {_TASKS} tasks writing row after"
        " row; the primary is killed with -9 and the standby promoted,"
        f" {effort.failovers} times per driver. A write is tried again up to {_RETRY.max_retries}"
        f" times, after at most {_RETRY.backoff.base_delay:g} s and later"
        f" {_RETRY.backoff.max_delay:g} s (by default three times, after at most 1, 2 and 4 s)."
        " Where a goal is missed: once in some four hundred rounds nobody can write for five"
        " seconds, in which the retries are used up; the cause is not known."
    )
    return [Section("A standby promoted under load", method, figures)]


async def _failovers(driver: str, effort: Effort) -> list[Figure]:
    rounds = [await _failover(driver) for _ in range(effort.failovers)]
    failed, backs, lost, doubled, written = zip(*rounds, strict=True)
    return [
        Figure(f"{driver}: failed writes per failover, most", max(failed), "", f"<= {_TASKS}"),
        Figure(
            f"{driver}: writes back after the order to promote, slowest",
            max(backs),
            "s",
            "<= 1",
            best=min(backs),
        ),
        Figure(f"{driver}: acknowledged writes lost, of {sum(written)}", sum(lost), "", "<= 0"),
        Figure(f"{driver}: writes doubled", sum(doubled), "", "<= 0"),
    ]


async def _failover(driver: str) -> tuple[int, float, int, int, int]:
    """Failed, seconds until writes are back, lost, doubled, written."""
    primary = PostgresServer(settings=_SETTINGS)
    await asyncio.to_thread(primary.start)
    standby = await asyncio.to_thread(lambda: primary.standby(settings=_SETTINGS))
    try:
        await asyncio.to_thread(standby.start)
        async with (
            _opened(primary.url(driver)) as direct,
            FaultProxy("127.0.0.1", primary.port) as proxy,
            _opened(
                f"postgresql+{driver}://postgres@127.0.0.1:{proxy.port},127.0.0.1:{standby.port}"
                "/postgres",
                retry=_RETRY,
                pool_size=_TASKS,
            ) as manager,
        ):
            await _make_synchronous(direct)
            return await _promote_under_load(manager, primary, standby)
    finally:
        await asyncio.to_thread(standby.stop)
        await asyncio.to_thread(primary.stop)


async def _make_synchronous(direct: DatabaseManager) -> None:
    async with direct.session_scope(isolation_level="AUTOCOMMIT") as session:
        await session.execute(text("CREATE TABLE ledger (n INTEGER)"))
        await session.execute(text("ALTER SYSTEM SET synchronous_standby_names = '*'"))
        await session.execute(text("SELECT pg_reload_conf()"))


async def _promote_under_load(
    manager: DatabaseManager, primary: PostgresServer, standby: PostgresServer
) -> tuple[int, float, int, int, int]:
    acknowledged: dict[int, float] = {}
    failed, is_back, ordered = 0, asyncio.Event(), float("inf")

    async def write(row: int) -> None:
        nonlocal failed
        try:
            await manager.transact(
                lambda session: session.execute(text(f"INSERT INTO ledger VALUES ({row})"))  # noqa: S608
            )
        except CommitOutcomeUnknown:
            failed += 1
        else:
            acknowledged[row] = time.monotonic()
            if acknowledged[row] > ordered:
                is_back.set()

    async def write_on(first: int) -> None:
        for row in range(first, 10**9, _TASKS):
            await write(row)

    tasks = [asyncio.create_task(write_on(first)) for first in range(_TASKS)]
    await asyncio.sleep(1)
    await asyncio.to_thread(primary.kill)
    ordered = time.monotonic()
    await asyncio.to_thread(standby.promote)
    await is_back.wait()
    await asyncio.sleep(0.5)
    # Whoever ended has met another error than an unknown COMMIT: it counts as failed as well.
    failed += sum(task.done() for task in tasks)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    async with manager.session_scope() as session:
        rows = list((await session.execute(text("SELECT n FROM ledger"))).scalars())
    lost = len(acknowledged.keys() - set(rows))
    back = min(at for at in acknowledged.values() if at > ordered) - ordered
    return failed, back, lost, len(rows) - len(set(rows)), len(acknowledged)


# -- credentials --------------------------------------------------------------------------


async def _passwords(effort: Effort) -> Sequence[Section]:
    """Requests while the password becomes another again and again."""
    figures = [figure for driver in _DRIVERS for figure in await _rotations(driver, effort)]
    method = (
        f"A password that is another every {_ROTATION:g} s for {effort.rotated_for:g} s,"
        f" connections that live for a second, and {_TASKS} tasks reading. The provider is asked"
        " before a password expires, here says the same as before, and is asked once more when it"
        " has expired."
    )
    return [Section("Passwords that change under load", method, figures)]


async def _rotations(driver: str, effort: Effort) -> list[Figure]:
    with PostgresServer(settings=_SETTINGS) as server:
        async with _opened(server.url()) as direct:
            await _say(direct, "CREATE ROLE app LOGIN")
            rules = server.folder / "data" / "pg_hba.conf"
            rules.write_text(f"host all app all scram-sha-256\n{rules.read_text()}")
            await _say(direct, "SELECT pg_reload_conf()")
            served, failed, asked = await _read_while_rotated(
                server, direct, driver, effort.rotated_for
            )
    return [
        Figure(f"{driver}: failed requests, of {served}", failed, "", "<= 0"),
        Figure(f"{driver}: calls of the provider per period", asked, ""),
    ]


async def _read_while_rotated(
    server: PostgresServer, direct: DatabaseManager, driver: str, seconds: float
) -> tuple[int, int, float]:
    number = asked = served = failed = 0
    rotates_at = 0.0

    async def rotate() -> None:
        nonlocal number, rotates_at
        number, rotates_at = number + 1, time.monotonic() + _ROTATION
        await _say(direct, f"ALTER ROLE app PASSWORD 'number {number}'")

    async def rotate_on() -> None:
        while True:
            await asyncio.sleep(rotates_at - time.monotonic())
            await rotate()

    async def provider() -> Credentials:
        nonlocal asked
        asked += 1
        left = max(0.01, rotates_at - time.monotonic())
        return Credentials(user="app", password=f"number {number}", lifetime=left)

    async def read_on(manager: DatabaseManager, until: float) -> None:
        nonlocal served, failed
        while time.monotonic() < until:
            try:
                async with manager.session_scope() as session:
                    await session.execute(text("SELECT 1"))
                served += 1
            except Exception:  # noqa: BLE001 - whatever it is, the request failed
                failed += 1
            await asyncio.sleep(0.01)

    await rotate()
    rotating = asyncio.create_task(rotate_on())
    url = server.url(driver)
    async with _opened(url, credentials=provider, pool_recycle=1) as manager:
        until = time.monotonic() + seconds
        await asyncio.gather(*(read_on(manager, until) for _ in range(_TASKS)))
    rotating.cancel()
    return served, failed, asked / number


# -- vanished clients ---------------------------------------------------------------------


async def _locks(effort: Effort) -> Sequence[Section]:
    """Seconds until a row lock is free whose client is not there any more."""
    figures = [figure for driver in _DRIVERS for figure in await _freed(driver, effort)]
    method = (
        "A row lock of a client whose network goes dark behind a proxy, or whose process is"
        " stopped, with an idle limit of 2 s; and of one whose machine is gone, by the defaults,"
        " where keepalives decide."
    )
    return [Section("Row locks of clients that are gone", method, figures)]


async def _freed(driver: str, effort: Effort) -> list[Figure]:
    with PostgresServer(settings=_SETTINGS) as server:
        async with _opened(server.url(driver)) as manager:
            await _say(manager, "CREATE TABLE ledger (n INTEGER)")
            await _say(manager, "INSERT INTO ledger VALUES (1)")
            locks = range(effort.locks)
            dark = [await _free_after_dark(server, manager, driver) for _ in locks]
            frozen = [await _free_after_freeze(server, manager, driver) for _ in locks]
    gone = [seconds for _ in locks if (seconds := await _free_after_loss(driver)) is not None]
    return [
        _slowest(f"{driver}: free after its client went dark, {_LIMIT}", dark),
        _slowest(f"{driver}: free after its client was stopped, {_LIMIT}", frozen),
        _slowest(f"{driver}: free after its client's machine was gone", gone),
    ]


def _slowest(what: str, seconds: Sequence[float]) -> Figure:
    if not seconds:
        return Figure(f"{what}; no network of one's own is allowed here", 0, "s", rounds=0)
    best, rounds = min(seconds), len(seconds)
    return Figure(f"{what}, slowest", max(seconds), "s", "<= 3", best=best, rounds=rounds)


async def _free_after_dark(server: PostgresServer, manager: DatabaseManager, driver: str) -> float:
    async with (
        FaultProxy("127.0.0.1", server.port) as proxy,
        _opened(server.url(driver, port=proxy.port), idle_in_transaction_timeout=2) as dark,
    ):
        session = dark.session_scope()
        await (await session.__aenter__()).execute(_HOLD)
        proxy.black_hole = BlackHole.ALL
        seconds = await _until_free(manager)
        proxy.black_hole = BlackHole.OFF
        await session.__aexit__(ValueError, ValueError(), None)
        return seconds


async def _free_after_freeze(
    server: PostgresServer, manager: DatabaseManager, driver: str
) -> float:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _HOLDER, server.url(driver)), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        await process.stdout.readline()
        process.send_signal(signal.SIGSTOP)
        return await _until_free(manager)
    finally:
        process.kill()
        await process.wait()


async def _free_after_loss(driver: str) -> float | None:
    """None where no network of one's own is allowed, which this needs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, _DARK_MACHINE, driver), stdout=asyncio.subprocess.PIPE
    )
    told, _ = await process.communicate()
    assert process.returncode == 0
    return float(told) if told else None


async def _until_free(manager: DatabaseManager) -> float:
    began = time.monotonic()
    async with manager.session_scope() as session:
        await session.execute(_HOLD)
    return time.monotonic() - began


# -- tools --------------------------------------------------------------------------------


@asynccontextmanager
async def _opened(url: str, **config: object) -> AsyncIterator[DatabaseManager]:
    manager = DatabaseManager(DatabaseConfig(url=url, **config))  # type: ignore[arg-type]
    try:
        yield manager
    finally:
        await manager.close()


async def _say(manager: DatabaseManager, statement: str) -> None:
    async with manager.session_scope() as session:
        await session.execute(text(statement))


if __name__ == "__main__":
    main()
