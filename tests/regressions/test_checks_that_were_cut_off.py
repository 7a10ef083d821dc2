"""A health check that was cut off left its question alone: an error that nobody retrieved."""

import asyncio
import gc

from koo.database import DatabaseConfig
from koo.database.checks import Examiner
from koo.resilience import BreakerConfig, CircuitBreaker
from koo.testing import running_clock


class Server:
    """Does not answer, and takes its time to hear that nobody waits any more."""

    def __init__(self, takes):
        self.takes = takes
        self.has_ended = False

    async def ask(self):
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(self.takes)
            self.has_ended = True
            raise ConnectionResetError("in the middle of an operation")


def examiner_of(server):
    clock = running_clock()
    breaker = CircuitBreaker("database", BreakerConfig(), clock=clock, random=lambda: 0.5)
    config = DatabaseConfig(url="sqlite://")
    listener = {"clock": clock, "random": lambda: 0.5, "on_event": lambda _: None}
    return Examiner(server.ask, config, breaker, **listener)


async def test_a_check_that_is_stopped_takes_its_question_along(caplog):
    # What others have left is told before.
    gc.collect()
    caplog.clear()
    server = Server(takes=0.5)
    examiner = examiner_of(server)
    checking = asyncio.create_task(examiner.check())
    await asyncio.sleep(1)
    await examiner.stop()
    assert server.has_ended
    await checking
    del checking, examiner
    gc.collect()
    assert not caplog.records
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_question_that_does_not_end_is_not_waited_for_for_ever():
    server = Server(takes=60)
    examiner = examiner_of(server)
    checking = asyncio.create_task(examiner.check())
    await asyncio.sleep(1)
    began = running_clock().monotonic()
    await examiner.stop()
    assert running_clock().monotonic() - began == DatabaseConfig(url="sqlite://").check_timeout
    await checking
    await asyncio.sleep(60)
    assert server.has_ended
