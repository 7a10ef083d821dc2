"""A loop that was closed while it looked for the tokens left the process without a witness."""

import asyncio
from contextlib import asynccontextmanager

from koo.database import DatabaseConfig
from koo.database.commit.choosing import Witnesses
from koo.database.commit.tokens import Tokens
from koo.database.pool import PoolCounts, Terms
from koo.testing import FakeClock


class Answering:
    """A connection to a database in which the table is."""

    async def exec_driver_sql(self, statement):
        self.answer = "ready" if "CASE" in statement else "the mark"
        return self

    def scalar_one(self):
        return self.answer

    def scalars(self):
        return self

    def all(self):
        return [self.answer]

    async def commit(self):
        pass


def test_who_comes_on_the_next_loop_looks_again():
    hangs, began = [True], []

    @asynccontextmanager
    async def connect():
        began.append(1)
        if hangs:
            await asyncio.Event().wait()
        yield Answering()

    config = DatabaseConfig(url="postgresql://u@h/d")
    terms = Terms(config, PoolCounts(), FakeClock(), lambda: 0.5, lambda _: None)
    witnesses = Witnesses(terms, connect)

    async def until_it_looks():
        looking = asyncio.ensure_future(witnesses.ready())
        while not began:
            await asyncio.sleep(0)
        return looking

    left = asyncio.new_event_loop()
    looking = left.run_until_complete(until_it_looks())
    left.close()
    for task in asyncio.all_tasks(left):
        # It is meant, and would be told in another test.
        task._log_destroy_pending = False
    hangs.clear()
    assert isinstance(asyncio.run(witnesses.ready()), Tokens)
    assert len(began) == 2
    assert not looking.done()
