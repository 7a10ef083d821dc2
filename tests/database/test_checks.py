"""The examiner on virtual time: one question at a time, and a circuit that closes itself."""

import asyncio
import contextvars

import pytest
from sqlalchemy import exc

from koo.database import DatabaseConfig
from koo.database.checks import Examiner
from koo.resilience import (
    ONE_REQUEST,
    BreakerConfig,
    CircuitBreaker,
    Failure,
    HealthChecked,
    State,
)
from koo.testing import running_clock

DOWN = exc.OperationalError(None, None, ConnectionRefusedError(111, "refused"))
WRONG_PASSWORD = exc.OperationalError(None, None, Exception("password authentication failed"))


class Server:
    """Answers, or does what it is told to."""

    def __init__(self, takes=0.0):
        self.error = None
        self.takes = takes
        self.asked = 0

    async def ask(self):
        self.asked += 1
        await asyncio.sleep(self.takes)
        if self.error:
            raise self.error


class Setting:
    def __init__(self, *, takes=0.0, **breaker):
        self.clock = running_clock()
        self.server = Server(takes)
        self.events = []
        config = DatabaseConfig(url="sqlite://", breaker=BreakerConfig(**breaker))
        self.breaker = CircuitBreaker(
            "database", config.breaker, clock=self.clock, random=lambda: 0.5
        )
        self.examiner = Examiner(
            self.server.ask,
            config,
            self.breaker,
            clock=self.clock,
            random=lambda: 0.5,
            on_event=self.events.append,
        )

    def open(self):
        self.server.error = DOWN
        for _ in range(5):
            self.breaker.admit(ONE_REQUEST).settle(Failure(retryable=True, trips=True))
        assert self.breaker.stats().state is State.OPEN
        self.examiner.watch()


async def test_nobody_has_asked_yet():
    assert Setting().examiner.last is None


async def test_an_answer_is_remembered_with_its_time():
    setting = Setting(takes=0.25)
    await setting.examiner.check()
    last = setting.examiner.last
    assert (last.ok, last.error, last.response_time) == (True, None, 0.25)
    assert last.at == setting.clock.time() - 0.25


async def test_the_interval_is_told_once_checks_are_made_in_the_background():
    setting = Setting()
    await setting.examiner.check()
    assert setting.examiner.last.interval is None
    setting.examiner.start()
    assert setting.examiner.last.interval == 30.0
    await setting.examiner.stop()


async def test_who_asks_meanwhile_joins():
    setting = Setting(takes=1)
    await asyncio.gather(*(setting.examiner.check() for _ in range(10)))
    assert setting.server.asked == 1


async def test_an_answer_stays_fresh_for_a_second():
    setting = Setting()
    await setting.examiner.check()
    await asyncio.sleep(0.9)
    await setting.examiner.check()
    assert setting.server.asked == 1
    await asyncio.sleep(0.2)
    await setting.examiner.check()
    assert setting.server.asked == 2


async def test_it_knows_whether_a_check_would_ask():
    setting = Setting(takes=0.5)
    assert not setting.examiner.is_fresh
    asking = asyncio.create_task(setting.examiner.check())
    await asyncio.sleep(0.25)
    assert setting.examiner.is_fresh
    await asking
    await asyncio.sleep(0.9)
    assert setting.examiner.is_fresh
    await asyncio.sleep(0.2)
    assert not setting.examiner.is_fresh


async def test_a_failed_check_says_what_and_not_where():
    setting = Setting()
    setting.server.error = DOWN
    await setting.examiner.check()
    last = setting.examiner.last
    assert (last.ok, last.response_time) == (False, None)
    assert last.error == "ConnectionRefusedError: the server cannot be reached"


async def test_silence_ends_after_the_check_timeout_even_if_the_question_does_not():
    setting = Setting()

    async def never():
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(60)

    setting.examiner._ask = never
    await setting.examiner.check()
    assert setting.clock.monotonic() == pytest.approx(5)
    assert setting.examiner.last.error == "TimeoutError: no answer in time"
    await asyncio.sleep(61)
    assert not setting.examiner._leaving


async def test_a_question_that_fails_after_it_was_given_up_complains_to_nobody():
    setting, complaints = Setting(), []
    asyncio.get_running_loop().set_exception_handler(lambda *_: complaints.append(1))

    async def stubborn():
        try:
            await asyncio.sleep(3600)
        finally:
            raise DOWN

    setting.examiner._ask = stubborn
    await setting.examiner.check()
    await asyncio.sleep(1)
    assert complaints == []


async def test_a_cancelled_question_is_no_answer():
    setting = Setting()

    async def cancelled():
        raise asyncio.CancelledError

    setting.examiner._ask = cancelled
    await setting.examiner.check()
    assert setting.examiner.last.error == "CancelledError: no answer in time"


async def test_a_caller_who_leaves_does_not_take_the_question_along():
    setting = Setting(takes=1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await setting.examiner.check()
    await setting.examiner.check()
    assert setting.server.asked == 1
    assert setting.examiner.last.ok


async def test_only_a_change_is_told():
    setting = Setting()
    for error in (None, None, DOWN, DOWN, None):
        setting.server.error = error
        await setting.examiner.check()
        await asyncio.sleep(1)
    assert [e.ok for e in setting.events if isinstance(e, HealthChecked)] == [True, False, True]


async def test_a_later_success_of_a_call_is_noted():
    setting = Setting()
    setting.server.error = DOWN
    await setting.examiner.check()
    assert not setting.examiner.last.success_since
    await asyncio.sleep(0.1)
    setting.examiner.note_success(setting.clock.monotonic())
    assert setting.examiner.last.success_since


async def test_what_is_forgotten_is_asked_anew():
    setting = Setting()
    await setting.examiner.check()
    setting.examiner.forget()
    assert setting.examiner.last is None
    await setting.examiner.check()
    assert setting.server.asked == 2


async def test_the_background_asks_in_an_empty_context():
    private = contextvars.ContextVar("private", default="empty")
    private.set("the caller's")
    setting, seen = Setting(), []

    async def look():
        seen.append(private.get())

    setting.examiner._ask = look
    await setting.examiner.check()
    assert seen == ["empty"]


async def test_at_intervals_until_stopped():
    setting = Setting()
    setting.examiner.start()
    setting.examiner.start()
    await asyncio.sleep(95)
    assert setting.server.asked == 4
    await setting.examiner.stop()
    await asyncio.sleep(95)
    assert setting.server.asked == 4


async def test_stopping_what_never_ran_does_nothing():
    await Setting().examiner.stop()


def test_outside_of_a_loop_nobody_watches():
    from koo.testing import FakeClock

    config = DatabaseConfig(url="sqlite://")
    breaker = CircuitBreaker("database", config.breaker)
    examiner = Examiner(
        Server().ask, config, breaker, clock=FakeClock(), random=lambda: 0.5, on_event=print
    )
    examiner.watch()
    assert not examiner._watches.is_running


async def test_an_open_circuit_asks_about_three_times_a_second_and_no_more():
    setting = Setting()
    setting.open()
    await asyncio.sleep(30)
    assert setting.server.asked == pytest.approx(101, abs=1)
    await setting.examiner.stop()


async def test_a_short_recovery_time_asks_more_often():
    setting = Setting(recovery_timeout=0.5)
    setting.open()
    await asyncio.sleep(1.05)
    assert setting.server.asked == 11
    await setting.examiner.stop()


async def test_the_circuit_closes_as_soon_as_the_server_answers():
    setting = Setting()
    setting.open()
    await asyncio.sleep(10.5)
    setting.server.error = None
    await asyncio.sleep(0.5)
    assert setting.breaker.stats().state is State.CLOSED
    asked = setting.server.asked
    await asyncio.sleep(60)
    assert setting.server.asked == asked


async def test_a_question_that_is_lost_in_the_dark_holds_the_return_up_for_its_own_time():
    setting = Setting()
    setting.open()
    setting.server.takes = 1e6
    await asyncio.sleep(6)
    setting.server.takes, setting.server.error = 0, None
    await asyncio.sleep(4.2)
    assert (setting.server.asked, setting.breaker.stats().state) == (2, State.OPEN)
    await asyncio.sleep(0.5)
    assert setting.breaker.stats().state is State.CLOSED


async def test_a_server_that_falls_again_at_the_probe_opens_the_circuit_again():
    setting = Setting()
    setting.open()
    setting.server.error = None
    answers = iter([None, DOWN, *[None] * 9])

    async def fickle():
        error = next(answers)
        if error:
            raise error

    setting.examiner._ask = fickle
    await asyncio.sleep(0.2)
    assert setting.breaker.stats().state is State.OPEN
    await asyncio.sleep(1)
    assert setting.breaker.stats().state is State.CLOSED


async def test_an_answer_that_blames_the_configuration_is_no_probe():
    setting = Setting()
    setting.open()
    setting.breaker.half_open()
    setting.server.error = WRONG_PASSWORD
    await asyncio.sleep(3)
    stats = setting.breaker.stats()
    assert (stats.state, stats.successes) == (State.HALF_OPEN, 0)
    await setting.examiner.stop()


async def test_a_probe_of_a_caller_is_not_disturbed():
    setting = Setting()
    setting.open()
    setting.breaker.half_open()
    theirs = setting.breaker.admit(ONE_REQUEST)
    asked = setting.server.asked
    await asyncio.sleep(2)
    assert setting.server.asked == asked
    setting.server.error = None
    theirs.cancel()
    await asyncio.sleep(2)
    assert setting.breaker.stats().state is State.CLOSED


async def test_an_isolated_circuit_is_left_alone():
    setting = Setting()
    setting.breaker.isolate("maintenance")
    setting.examiner.watch()
    await asyncio.sleep(10)
    assert setting.server.asked == 0


async def test_a_probe_holds_its_lease_no_longer_than_a_check_may_take():
    setting = Setting()
    setting.open()
    setting.breaker.half_open()
    deadlines = []
    admit = setting.breaker.admit
    setting.examiner._breaker = type(
        "Breaker",
        (),
        {
            "name": "database",
            "stats": staticmethod(setting.breaker.stats),
            "half_open": staticmethod(setting.breaker.half_open),
            "admit": staticmethod(lambda ask: (deadlines.append(ask.deadline), admit(ask))[1]),
        },
    )()
    setting.server.error = None
    await asyncio.sleep(1)
    assert deadlines[0].at == pytest.approx(5)


async def test_what_is_no_exception_at_all_is_not_hidden():
    setting = Setting()

    async def leave():
        raise SystemExit(3)

    from koo.database.checks import _judged

    task = asyncio.get_running_loop().create_future()
    task.set_exception(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        _judged(task)
    del setting, leave
