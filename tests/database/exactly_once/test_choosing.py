"""Who is chosen as a witness, by what a database says that no test can easily ask."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import exc

from koo.database import DatabaseConfig
from koo.database.commit.choosing import Witnesses
from koo.database.commit.tokens import Tokens
from koo.database.pool import PoolCounts, Terms
from koo.testing import FakeClock


def witnesses(url="postgresql://u@h/d", connect=None, **config):
    terms = Terms(
        DatabaseConfig(url=url, **config), PoolCounts(), FakeClock(), lambda: 0.5, lambda _: None
    )
    return Witnesses(terms, connect)


class Answering:
    """A driver's connection that answers every look with *word*, or fails."""

    def __init__(self, word):
        self.word = word
        self.said = []

    def cursor(self):
        return self

    def execute(self, statement):
        self.said.append(statement)
        if self.word is None:
            raise RuntimeError("lost")

    def fetchone(self):
        return (self.word,)

    def close(self):
        return None

    rollback = close


class Table:
    """SQLAlchemy's connection to a database that gives these *answers*; none is made there."""

    def __init__(self, *answers):
        self.answers = list(answers)

    async def exec_driver_sql(self, statement):
        assert "CREATE TABLE" not in statement
        return self

    def scalar_one(self):
        return self.answers.pop(0)

    def scalars(self):
        return self

    def all(self):
        return [self.scalar_one()]

    async def commit(self):
        pass


def answering(*answers):
    """What opens connections that give these *answers*."""

    @asynccontextmanager
    async def connect():
        yield Table(*answers)

    return connect


async def test_an_old_server_has_nobody_and_is_not_asked_again():
    found = witnesses()
    found.learn(Answering("nobody"), None)
    assert await found.ready() is None
    again = Answering("ready")
    found.learn(again, None)
    assert again.said == []


REFUSED = exc.OperationalError(None, None, OSError("refused"))
WRONG = exc.ProgrammingError(None, None, Exception("no such function"))


async def test_who_gets_no_answer_on_a_connection_looks_on_another_at_once():
    found = witnesses(connect=answering("ready", "the mark"))
    found.learn(Answering(None), None)
    assert isinstance(await found.ready(), Tokens)


@pytest.mark.parametrize(("error", "seconds"), [(REFUSED, 1), (TimeoutError(), 1), (WRONG, 60)])
async def test_a_look_in_vain_is_repeated_after_a_while(error, seconds):
    asked = []

    def connect():
        asked.append(1)
        raise error

    found = witnesses(connect=connect)
    assert await found.ready() is None
    found._terms.clock.advance(seconds - 0.01)
    assert await found.ready() is None
    assert asked == [1]
    found._terms.clock.advance(0.02)
    assert await found.ready() is None
    assert asked == [1, 1]
    assert await found.ready() is None
    assert asked == [1, 1]


async def test_a_second_look_keeps_nobody_waiting_but_who_begins_it():
    opens = asyncio.Event()

    @asynccontextmanager
    async def connect():
        await opens.wait()
        yield Table("ready", "the mark")

    found = witnesses(connect=connect)
    found.learn(Answering("later"), None)
    found._terms.clock.advance(60)
    beginning = asyncio.ensure_future(found.ready())
    await asyncio.sleep(0)
    assert [await found.ready() for _ in range(3)] == [None] * 3
    opens.set()
    assert isinstance(await beginning, Tokens)
    assert isinstance(await found.ready(), Tokens)


async def test_who_finds_the_table_made_meanwhile_makes_none():
    found = witnesses(connect=answering("ready", "the mark"))
    found.learn(Answering("absent"), None)
    assert isinstance(await found.ready(), Tokens)


async def test_what_another_loop_is_making_is_not_waited_for():
    found = witnesses()
    found.learn(Answering("absent"), None)
    elsewhere = asyncio.new_event_loop()
    found._looking = elsewhere.create_future()
    assert await found.ready() is None
    elsewhere.close()


async def test_what_lives_in_memory_needs_nobody():
    assert await witnesses("sqlite://").ready() is None
