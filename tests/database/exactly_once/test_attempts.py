"""An attempt whose time is over sends no COMMIT, and knows what it has sent."""

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from sqlalchemy import exc

from koo import errors
from koo.database import DatabaseConfig, StatementTimedOut
from koo.database.commit import Resolver, attempt, numbers
from koo.database.commit.fence import new_token
from koo.database.commit.tokens import Backend, Tokens, _Trace
from koo.database.listening.sending import Sending
from koo.database.pool import HOLDING, PoolCounts, Terms
from koo.database.scope import Fate, Scope
from koo.testing import FakeClock, running_clock

STRAIGHT = Backend("", 1, "us", 0.0, 0.0)


class Nobody:
    async def ready(self):
        return None


async def test_who_is_cut_off_in_a_commit_that_was_already_sent_is_in_doubt():
    scope = Scope("here")

    @asynccontextmanager
    async def opening():
        yield None
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            scope.in_doubt = True
            raise

    async def work(_):
        return 7

    with pytest.raises(errors.CommitOutcomeUnknown):
        await attempt(work, scope, opening(), witnesses=Nobody(), timeout=1)


async def test_a_commit_on_its_way_is_torn_off_and_not_cancelled():
    """So that whoever sent it gets an error, and can find out what it means."""
    scope = Scope("here")

    @asynccontextmanager
    async def opening():
        yield None
        scope.commit_by(object())
        await asyncio.sleep(5)

    async def work(_):
        return 7

    assert await attempt(work, scope, opening(), witnesses=Nobody(), timeout=1) == 7


def test_no_commit_is_sent_if_the_time_is_over_while_a_token_is_written(monkeypatch):
    scope, said = Scope("here"), []
    lent = SimpleNamespace(record_info={HOLDING: SimpleNamespace(scope=scope, is_taken_back=False)})
    sending = object.__new__(Sending)

    def attend(*_):
        scope.is_late = True

    sending._certainty = SimpleNamespace(attend=attend)
    sending._leaves_rest = False
    monkeypatch.setattr(sending, "rollback", lambda _: said.append("ROLLBACK"), raising=False)
    with pytest.raises(StatementTimedOut, match="no time is left for COMMIT"):
        sending.commit(lent)
    assert not scope.committing
    assert said == ["ROLLBACK"]


async def test_a_server_that_cannot_be_reached_leaves_it_unknown():
    asked = []

    @asynccontextmanager
    async def connect():
        asked.append(1)
        raise exc.OperationalError(None, None, OSError("refused"))
        yield

    clock = running_clock()
    config = DatabaseConfig(url="postgresql://u@h/d", timeout=10, check_timeout=20)
    terms = Terms(config, PoolCounts(), clock, lambda: 1.0, lambda _: None)
    began = clock.monotonic()
    assert await Resolver(terms, connect).fate_of(None) is Fate.UNKNOWN
    assert 9 < clock.monotonic() - began <= 10
    assert len(asked) > 10


async def test_another_error_about_a_number_is_no_answer():
    class Refusing:
        async def execute(self, *_):
            raise exc.OperationalError(None, None, OSError("reset"))

    trace = numbers._Trace("1", "cluster", "marks", STRAIGHT, FakeClock())
    with pytest.raises(exc.OperationalError):
        await trace.judge(Refusing())


class Server:
    """A connection to a server on which the token's row is what *fenced* says."""

    def __init__(self, fenced, refusing=(), *, is_marked=True):
        self.row = None if fenced is None else (fenced, is_marked)
        self.refusing = refusing
        self.said = []

    @property
    def driver_connection(self):
        return self

    async def get_raw_connection(self):
        return self

    async def execute(self, statement, _=None):
        known = {
            "ROLE NONE": "as ourselves",
            "terminate_backend": "end",
            "SELECT fenced": "look",
        }
        what = next(name for words, name in known.items() if words in str(statement))
        self.said.append(what)
        if what in self.refusing:
            raise exc.ProgrammingError(None, None, Exception("permission denied"))
        return self

    async def say_alone(self, statements):
        words = ("pg_logical_emit_message", "INSERT INTO koo.commit_tokens")
        assert all(word in statements for word in words)
        self.said.append("fence")

    def one_or_none(self):
        return self.row


HOUR = 3600.0


def lost():
    """The trace of a transaction whose COMMIT was lost just now, and its clock."""
    clock = FakeClock()
    return _Trace(Tokens(clock, "mark"), new_token(clock), STRAIGHT), clock


async def test_a_fence_that_is_there_says_that_it_has_not_committed_and_its_backend_is_ended():
    trace, _ = lost()
    server = Server(True)
    assert await trace.judge(server) is Fate.ABSENT
    assert server.said == ["fence", "look", "as ourselves", "end"]


async def test_a_row_in_the_way_of_the_fence_says_that_it_has_committed():
    trace, _ = lost()
    server = Server(False)
    assert await trace.judge(server) is Fate.COMMITTED
    assert server.said == ["fence", "look"]


async def test_a_fence_that_has_vanished_says_nothing():
    trace, _ = lost()
    assert await trace.judge(Server(None)) is None


async def test_a_fence_stands_although_the_backend_may_not_be_ended():
    trace, _ = lost()
    server = Server(True, refusing={"end"})
    assert await trace.judge(server) is Fate.ABSENT


async def test_a_fence_in_a_table_that_was_emptied_says_nothing_and_a_token_still_does():
    trace, _ = lost()
    assert await trace.judge(Server(True, is_marked=False)) is Fate.FORGOTTEN
    assert await trace.judge(Server(False, is_marked=False)) is Fate.COMMITTED


@pytest.mark.parametrize(("hours", "fate"), [(0.4, Fate.ABSENT), (0.6, Fate.UNKNOWN)])
async def test_who_has_slept_while_others_cleaned_believes_no_fence(hours, fate):
    """A suspended machine's monotonic clock stands still, and the token may be gone."""
    trace, clock = lost()
    clock.step_wall(hours * HOUR)
    assert await trace.judge(Server(True)) is fate
    assert await trace.judge(Server(False)) is Fate.COMMITTED
