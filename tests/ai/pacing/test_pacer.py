"""The gate before a vendor: what its answers leave, what its refusals teach, and who may wait."""

import pytest

from koo.ai import PacedAsk, PacedSpent, Pacer, Told, Urge, WindowTold
from koo.errors import RateLimited
from koo.resilience import (
    ABANDONED,
    ONE_REQUEST,
    SUCCESS,
    Ask,
    LimitReached,
    PaceChanged,
    Permit,
    Spent,
    Success,
)
from koo.testing import FakeClock

GROW_SLOWLY, EASE = Told(urge=Urge.GROW_SLOWLY), Told(urge=Urge.EASE)


def _per_minute(bench):
    return bench.pacer.stats().per_minute


# -- windows -----------------------------------------------------------------------------------


def test_untaught_it_lets_everything_in(bench):
    bench.passes(1_000)
    assert bench.pacer.stats().windows == ()


def test_no_more_is_let_in_than_the_vendor_says_is_left(bench):
    [first] = bench.passes(1)
    bench.answer(first, bench.told(3))
    bench.passes(3)
    refusal = bench.ask()
    assert isinstance(refusal, RateLimited)
    assert refusal.retry_after == 30.0
    assert refusal.line is bench.pacer
    assert str(refusal) == (
        "ai:lab: rate limit reached (0 of 60 requests are left at the service); try again in 30.0 s"
    )


def test_a_429_comes_from_no_call_that_was_let_in_after_the_reset(bench):
    [first] = bench.passes(1)
    bench.answer(first, bench.told(0))
    bench.clock.advance(30.0)
    bench.passes(60)
    assert isinstance(bench.ask(), RateLimited)


def test_calls_on_their_way_are_counted_though_the_answer_does_not_know_them(bench):
    first, *others = bench.passes(5)
    bench.answer(first, bench.told(6))
    bench.passes(2)
    assert isinstance(bench.ask(), RateLimited)
    for permit in others:
        bench.answer(permit, bench.told(6))
    bench.passes(4)
    assert isinstance(bench.ask(), RateLimited)


def test_a_call_that_was_never_made_gives_all_back(bench):
    [first] = bench.passes(1)
    bench.answer(first, bench.told(1))
    [second] = bench.passes(1)
    assert isinstance(bench.ask(), RateLimited)
    second.cancel()
    bench.passes(1)


def test_who_gave_up_may_have_been_counted(bench):
    [first] = bench.passes(1)
    bench.answer(first, bench.told(1))
    [second] = bench.passes(1)
    second.settle(ABANDONED)
    assert isinstance(bench.ask(), RateLimited)


@pytest.mark.parametrize(
    ("kind", "most"), [("tokens", 10), ("input tokens", 16), ("output tokens", 25)]
)
def test_tokens_are_counted_by_what_the_window_is_of(bench, kind, most):
    first = bench.ask()
    bench.answer(first, bench.told(100, limit=1_000, kind=kind))
    for _ in range(most):
        assert isinstance(bench.ask(tokens=10, output=4), Permit)
    assert isinstance(bench.ask(tokens=10, output=4), RateLimited)


def test_whoever_does_not_say_which_tokens_are_the_answers_is_counted_in_both(bench):
    first = bench.pacer.admit(ONE_REQUEST)
    bench.answer(first, bench.told(100, limit=1_000, kind="output tokens"))
    assert isinstance(bench.pacer.admit(Ask(tokens=100)), Permit)
    assert isinstance(bench.pacer.admit(Ask(tokens=1)), RateLimited)


def test_the_estimate_is_settled_by_what_was_used(bench):
    first = bench.ask()
    bench.answer(first, bench.told(100, limit=1_000, kind="tokens"))
    second = bench.ask(tokens=90)
    assert isinstance(bench.ask(tokens=20), RateLimited)
    second.settle(Success(PacedSpent(1, 30, 0, 10)))
    assert isinstance(bench.ask(tokens=70), Permit)
    assert isinstance(bench.ask(tokens=1), RateLimited)


def test_what_one_model_has_left_says_nothing_of_another(bench):
    first = bench.ask(model="large")
    bench.answer(first, bench.told(0))
    assert isinstance(bench.ask(model="large"), RateLimited)
    assert isinstance(bench.ask(model="small"), Permit)


def test_names_that_others_make_up_do_not_pile_up(bench):
    for number in range(101):
        bench.answer(bench.ask(model=f"m{number}"), bench.told(0))
    assert len(bench.pacer.stats().windows) == 100
    bench.clock.advance(31.0)
    for number in range(9):
        window = WindowTold(f"w{number}", "requests", 60, 50, 9.0)
        bench.answer(bench.ask(model="m1"), Told(at=31.0, windows=(window,)))
    names = [each.name for each in bench.pacer.stats().windows if each.model == "m1"]
    assert len(names) == 8


def test_a_limit_that_is_reached_is_told_once_as_long_as_it_holds_calls_back(bench):
    bench.answer(bench.ask(), bench.told(0))
    for _ in range(3):
        bench.ask()
        bench.clock.advance(5.0)
    words = "0 of 60 requests are left at the service"
    assert bench.heard == [LimitReached("ai:lab", words, 30.0)]
    bench.clock.advance(70.0)
    bench.answer(bench.ask(), bench.told(0))
    bench.ask()
    assert len(bench.heard) == 2


def test_the_limit_that_has_too_little_is_named_and_no_other(bench):
    windows = (
        WindowTold("requests", "requests", 60, 9, 30.0),
        WindowTold("tokens", "tokens", 1_000, 10, 30.0),
    )
    bench.answer(bench.ask(), Told(windows=windows))
    assert bench.ask(tokens=11).cause == "10 of 1000 tokens are left at the service"


def test_a_reset_by_a_person_forgets_all_that_was_learned(bench):
    first, second = bench.passes(2)
    bench.answer(first, bench.told(0))
    bench.refuse(second)
    bench.pacer.forget()
    bench.passes(1_000)
    assert _per_minute(bench) is None


def test_looking_changes_nothing(bench):
    bench.answer(bench.ask(), bench.told(0))
    bench.clock.advance(30.0)
    first, second = bench.pacer.stats(), bench.pacer.stats()
    assert first == second
    assert first.windows[0].remaining == 60


# -- rates -------------------------------------------------------------------------------------


def test_a_429_that_no_window_explains_spreads_the_calls(bench):
    permits = bench.passes(20)
    bench.clock.advance(10.0)
    bench.refuse(permits[0])
    assert _per_minute(bench) == pytest.approx(0.8 * 120)
    cause = "it refuses calls without a limit that explains it"
    assert bench.heard == [PaceChanged("ai:lab", pytest.approx(96.0), cause)]
    refusal = bench.ask()
    assert refusal.retry_after == pytest.approx(1.0)
    assert refusal.cause == f"96.0 calls per minute, because {cause}"
    assert bench.pacer.stats().cause == refusal.cause


def test_a_429_that_names_its_wait_spreads_the_calls_but_holds_none_back_itself(bench):
    permits = bench.passes(20)
    bench.clock.advance(10.0)
    bench.refuse(permits[0], wait=3.0)
    assert _per_minute(bench) == pytest.approx(96.0)
    bench.passes(1)


def test_a_429_that_a_window_explains_does_not(bench):
    [first] = bench.passes(1)
    bench.refuse(first, bench.told(0))
    assert _per_minute(bench) is None


def test_a_429_though_the_window_had_enough_does(bench):
    [first] = bench.passes(1)
    bench.refuse(first, bench.told(30))
    assert _per_minute(bench) is not None


def test_a_failure_that_says_nothing_of_numbers_does_not_slow_down(bench):
    [first] = bench.passes(1)
    bench.fail(first, Told())
    assert _per_minute(bench) is None


def test_of_many_calls_refused_at_once_one_lesson_is_learned(bench):
    permits = bench.passes(20)
    bench.clock.advance(10.0)
    for permit in permits:
        bench.refuse(permit)
    assert len(bench.heard) == 1
    assert _per_minute(bench) == pytest.approx(96.0)


def test_after_an_idle_time_no_more_than_a_seconds_worth_goes_at_once(bench):
    permits = bench.passes(100)
    bench.clock.advance(10.0)
    bench.refuse(permits[0])
    bench.clock.advance(5.0)
    bench.answer(bench.passes(1)[0])
    bench.clock.advance(5.0)
    gone = 0
    while isinstance(bench.ask(), Permit):
        gone += 1
    assert gone == 9, "8 a second, and the one that is due"


def test_a_cancelled_turn_goes_to_the_next(bench):
    permits = bench.passes(20)
    bench.clock.advance(10.0)
    bench.refuse(permits[0])
    bench.clock.advance(1.0)
    [turn] = bench.passes(1)
    assert isinstance(bench.ask(), RateLimited)
    turn.cancel()
    bench.passes(1)


def test_successes_that_had_to_wait_raise_the_rate(bench):
    permits = bench.passes(20)
    bench.clock.advance(10.0)
    bench.refuse(permits[0])
    bench.clock.advance(1.0)
    before = _per_minute(bench)
    bench.answer(bench.passes(1)[0])
    assert _per_minute(bench) > before


def test_the_end_of_a_rate_is_told_when_calls_come_again(bench):
    permits = bench.passes(20)
    bench.refuse(permits[0])
    bench.clock.advance(601.0)
    bench.passes(2)
    assert bench.heard[1:] == [PaceChanged("ai:lab", None, "nothing was refused lately")]


def test_who_grew_too_fast_goes_on_at_half_and_grows_slowly(bench):
    permits = bench.passes(120)
    bench.clock.advance(60.0)
    bench.fail(permits[0], GROW_SLOWLY)
    assert _per_minute(bench) == pytest.approx(60.0, rel=0.03)
    assert bench.heard == [PaceChanged("ai:lab", _per_minute(bench), "the traffic grew too fast")]
    before = _per_minute(bench)
    bench.clock.advance(900.0)
    assert _per_minute(bench) == pytest.approx(1.5 * before)
    bench.fail(permits[1], GROW_SLOWLY)
    assert len(bench.heard) == 1, "it was sent before"


def test_one_overload_among_many_calls_is_a_stray_and_two_of_ten_are_not(bench):
    permits = bench.passes(10)
    bench.fail(permits[0], EASE)
    assert _per_minute(bench) is None
    bench.fail(permits[1], EASE)
    assert _per_minute(bench) == pytest.approx(300.0)
    bench.clock.advance(61.0)
    assert _per_minute(bench) is None


def test_two_overloads_of_a_hundred_calls_are_strays_too(bench):
    permits = bench.passes(100)
    bench.fail(permits[0], EASE)
    bench.fail(permits[1], EASE)
    assert _per_minute(bench) is None


def test_of_two_rates_the_lower_holds(bench):
    permits = bench.passes(20)
    bench.clock.advance(10.0)
    bench.refuse(permits[0])
    bench.fail(permits[1], GROW_SLOWLY)
    assert _per_minute(bench) == pytest.approx(60.0)


# -- the line ----------------------------------------------------------------------------------


def test_a_newcomer_behind_others_is_told_to_come_after_them(bench):
    permits = bench.passes(20)
    bench.clock.advance(10.0)
    bench.refuse(permits[0])
    bench.pacer.join(_Waiter())
    refusal = bench.ask()
    assert refusal.retry_after == pytest.approx(1.0 + 1 / 1.6)
    assert refusal.soonest == pytest.approx(1.0), "it may be served by then if it joins"
    assert bench.pacer.stats().waiting == 1


def test_a_newcomer_behind_others_with_nothing_in_the_way_but_them_hears_so(bench):
    bench.answer(bench.ask(), bench.told(0))
    bench.pacer.join(_Waiter())
    assert bench.ask(model="other").cause == "1 calls are waiting"


def test_a_refusal_of_who_stands_in_line_is_not_counted_again(bench):
    bench.answer(bench.ask(), bench.told(0))
    assert bench.ask().line is bench.pacer
    bench.pacer.join(_Waiter())
    assert bench.pacer.stats().rejected_total == 0


def test_a_permit_of_its_own_kind_alone_teaches_it_anything(bench):
    stranger = Permit(bench.pacer, ONE_REQUEST, 0.0, 0)
    bench.pacer.settled(stranger, SUCCESS)
    bench.pacer.cancelled(stranger)
    bench.passes(3)


def test_a_second_settlement_is_ignored_and_counted(bench):
    [first] = bench.passes(1)
    first.settle(Success(Spent()))
    first.settle(Success(Spent()))
    assert bench.pacer.stats().double_settled_total == 1


class _Here:
    is_elsewhere = is_gone = False


class _Waiter:
    """Somebody in line who asks for one request."""

    home = _Here()
    ask = PacedAsk(model="m")
    arrived = 0.0

    def can_wait(self, seconds):
        return True

    def serve_in(self, seconds, gate):
        self.seconds = seconds

    def grant(self, permit):
        return True

    def refuse(self, rejection):
        raise AssertionError


# -- several keys ------------------------------------------------------------------------------


def _of_two(clock):
    return Pacer("ai:lab", keys=lambda _: (0, 1), clock=clock)


def test_keys_with_room_take_turns():
    pacer = _of_two(FakeClock())
    assert [pacer.admit(ONE_REQUEST).key for _ in range(5)] == [0, 1, 0, 1, 0]


def test_what_is_told_of_another_key_than_the_calls_is_not_heard():
    pacer = _of_two(FakeClock())
    told = Told(windows=(WindowTold("requests", "requests", 60, 0, 30.0),), key=1)
    pacer.admit(ONE_REQUEST).settle(Success(advice=told))
    assert pacer.stats().windows == ()
    pacer.admit(ONE_REQUEST).settle(Success(advice=told))
    assert [window.key for window in pacer.stats().windows] == [1]


def test_without_a_living_key_nothing_is_held_back():
    pacer = Pacer("ai:lab", keys=lambda _: ())
    assert isinstance(pacer.admit(ONE_REQUEST), Permit)
