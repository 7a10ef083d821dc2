"""A bank whose transfers lose their COMMIT, and an auditor who counts the rows afterwards.

transfer --COMMIT--> [one of six cuts] --> what the caller is told
                                                |
rows of the transfer in the books  <--compare---+
"""

import asyncio
import random
import traceback
from collections import Counter
from contextlib import asynccontextmanager
from enum import Enum

from sqlalchemy import text

from koo import errors
from koo.database import DatabaseConfig, DatabaseManager
from koo.resilience import Backoff, BreakerConfig, RetryConfig
from koo.testing import Action, Direction, FaultProxy, Phase

ACCOUNTS = 20
RICHES = 1000
WORKERS = 12
#: A disk that is busy holds a COMMIT up for a second.
GIVES_UP_AFTER = 2.0
TABLES = (
    "DROP TABLE IF EXISTS accounts, transfers",
    "CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL)",
    "CREATE TABLE transfers (id INTEGER NOT NULL)",
    f"INSERT INTO accounts VALUES {', '.join(f'({n}, {RICHES})' for n in range(ACCOUNTS))}",
)
PATIENT = RetryConfig(max_retries=100, backoff=Backoff(base_delay=0.02, max_delay=0.2))


class Cut(Enum):
    """What may happen to a COMMIT."""

    REQUEST_LOST = "the connection breaks before it arrives"
    REPLY_LOST = "the connection breaks before the answer arrives"
    RACE = "the connection breaks within three milliseconds"
    ORPHANED = "it is lost, the client is told, and the server's side stays open"
    SWALLOWED = "the answer is lost, and nobody is told"
    LATE = "it arrives after the client has given up"


class Told(Enum):
    """What the caller is told."""

    DONE = "what the function returned"
    FAILED = "an error that says: not committed"
    UNKNOWN = "CommitOutcomeUnknown"


class Saboteur:
    """A hook that cuts the COMMIT of one worker's connection."""

    def __init__(self, proxy, draw):
        self.proxy = proxy
        self.draw = draw
        self.next = None
        self.only_once = False
        self.made = Counter()
        self._reply = None
        self._is_fence = False

    def arm(self, cut):
        """Do it to the next COMMIT, and after that to three in ten."""
        self.next = cut
        self._reply = None

    async def __call__(self, chunk):
        # PostgreSQL's fence is a transaction by itself, in one message.
        is_fence = b"ON CONFLICT DO NOTHING" in chunk.payload
        if Phase.COMMIT_REQUEST in chunk.phases or is_fence:
            self._is_fence = is_fence
            return await self._at_the_request()
        # The next answer is not yet COMMIT's if another connection was being asked.
        if chunk.direction is Direction.TO_CLIENT and (
            Phase.COMMIT_REPLY in chunk.phases or self._is_fence
        ):
            self._is_fence = False
            return self._at_the_reply()
        return Action.PASS

    async def _at_the_request(self):
        cut, self.next = self.next, None
        if cut is None and not self.only_once:
            cut = self.draw.choice(list(Cut)) if self.draw.random() < 0.3 else None
        self._reply = cut
        self.made[cut] += 1
        match cut:
            case Cut.REQUEST_LOST:
                return Action.CUT
            case Cut.ORPHANED:
                return Action.ORPHAN
            case Cut.RACE:
                asyncio.get_running_loop().call_later(
                    self.draw.random() * 0.003, self.proxy.reset_all
                )
            case Cut.LATE:
                await asyncio.sleep(GIVES_UP_AFTER + self.draw.uniform(0.1, 0.6))
        return Action.PASS

    def _at_the_reply(self):
        match self._reply:
            case Cut.REPLY_LOST:
                return Action.CUT
            case Cut.SWALLOWED:
                return Action.DROP
        return Action.PASS


async def transfer(session, number, draw):
    """Move money between two accounts, and write it down."""
    giver, taker = draw.sample(range(ACCOUNTS), 2)
    amount = draw.randint(1, 9)
    move = text("UPDATE accounts SET balance = balance + :amount WHERE id = :id")
    await session.execute(text("INSERT INTO transfers VALUES (:n)"), {"n": number})
    await session.execute(move, {"amount": -amount, "id": giver})
    await session.execute(move, {"amount": amount, "id": taker})
    return number


async def told(manager, number, draw, **options):
    """What a caller is told of transfer *number*."""
    if manager.engine.dialect.name == "postgresql":
        # MariaDB would say COMMIT for it, which is not the one to cut: there the server is set so.
        options["isolation_level"] = "SERIALIZABLE"
    try:
        value = await manager.transact(lambda session: transfer(session, number, draw), **options)
    except errors.CommitOutcomeUnknown:
        traceback.print_exc()
        return Told.UNKNOWN
    except Exception as error:  # noqa: BLE001
        traceback.print_exc(limit=1)
        return Told.FAILED if not isinstance(error, AssertionError) else error
    assert value == number
    return Told.DONE


async def open_bank(manager):
    """Empty books and rich accounts."""
    async with manager.session_scope() as session:
        for statement in TABLES:
            await session.execute(text(statement))


async def _count(session):
    rows = await session.execute(text("SELECT id, count(*) FROM transfers GROUP BY id"))
    found = dict(list(rows))
    riches = (await session.execute(text("SELECT sum(balance) FROM accounts"))).scalar_one()
    return found, riches


async def audit(manager, tellings):
    """What is wrong with *tellings* (what was told by number), in words."""
    found, riches = await manager.transact(_count, max_retries=100, readonly=True)
    wrong = [] if riches == ACCOUNTS * RICHES else [f"the sum is {riches}"]
    for number, what in tellings.items():
        times = found.get(number, 0)
        allowed = {Told.DONE: {1}, Told.FAILED: {0}, Told.UNKNOWN: {0, 1}}[what]
        if times not in allowed:
            wrong.append(f"transfer {number}: {what}, {times} times in the books")
    return wrong


def by_name(counts):
    """The *counts* of an enumeration's members, as JSON can say them."""
    return {member.name.lower(): times for member, times in counts.items()}


def count_fates(manager):
    """How many COMMITs were lost from now on, by what *manager* has found out of them."""
    resolver, fates = manager._engines._resolver, Counter()
    find_out = resolver.fate_of

    async def fate_of(trace):
        fate = await find_out(trace)
        fates[fate] += 1
        return fate

    resolver.fate_of = fate_of
    return fates


def manager_for(url, **config):
    """A manager that gives up soon and tries often."""
    config = {
        "pool_size": 2,
        "max_overflow": 0,
        "timeout": 300.0,
        "attempt_timeout": GIVES_UP_AFTER,
        "check_timeout": 2.0,
        "retry": PATIENT,
        "retry_budget": None,
        # So many failures in a row are our own doing; the circuit has tests of its own.
        "breaker": BreakerConfig(failure_threshold=100_000),
        **config,
    }
    return DatabaseManager(DatabaseConfig(url=url, **config))


@asynccontextmanager
async def sabotaged(server, driver, seed, **config):
    """A manager behind a proxy with a saboteur."""
    async with FaultProxy("127.0.0.1", server.port) as proxy:
        manager = manager_for(server.url(driver, port=proxy.port), **config)
        saboteur = Saboteur(proxy, random.Random(seed))
        try:
            # Connected and prepared before anything is cut.
            await manager.transact(_nothing)
            proxy.hook = saboteur
            yield manager, saboteur
        finally:
            await manager.close()


async def _nothing(session):
    await session.execute(text("SELECT 2"))


async def worker(server, driver, numbers, seed, **config):
    """What is told of transfers *numbers*, each of whose first COMMIT is cut."""
    draw, tellings = random.Random(seed), {}
    async with sabotaged(server, driver, seed, **config) as (manager, saboteur):
        for number in numbers:
            saboteur.arm(list(Cut)[number % len(Cut)])
            tellings[number] = await told(manager, number, draw)
    return tellings, saboteur.made
