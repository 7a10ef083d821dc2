"""Calls that have too little time: which are not begun, and how a policy knows."""

import asyncio

import pytest

from koo.errors import DeadlineExceeded
from koo.resilience import Ask, Deadline
from koo.resilience.policy.stats import Memory
from koo.testing import running_clock

from .actors import QUICK, Dependency, bulkhead, policy


async def test_what_can_not_finish_in_the_time_that_is_left_is_not_begun():
    through = policy()
    for _ in range(100):
        await through.run(Dependency(2.0))
    hurried = Dependency(2.0)
    await through.outcome(hurried, timeout=0.5)
    now = running_clock().monotonic()
    for _ in range(9):
        with pytest.raises(DeadlineExceeded, match=r"^dep: 0\.500 s are too little time to begin"):
            await through.run(hurried, Ask(deadline=Deadline(now + 0.5)))
    assert running_clock().monotonic() == now
    await through.run(hurried, Ask(deadline=Deadline(now + 3)))


async def _by_ask(through, dependency, seconds):
    ask = Ask(deadline=Deadline(running_clock().monotonic() + seconds))
    return await through.outcome(dependency, ask)


async def _by_timeout(through, dependency, seconds):
    return await through.outcome(dependency, timeout=seconds)


async def _by_inheritance(through, dependency, seconds):
    return await policy("outer", timeout=seconds).outcome(lambda: through.run(dependency))


async def _by_permit(through, dependency, seconds):
    async def work():
        async with through.permit(timeout=seconds):
            await dependency()

    return await policy("around").outcome(work)


async def _by_loop(through, dependency, seconds):
    async def work():
        async for attempt in through.asking(Ask(), timeout=seconds):
            async with attempt:
                await dependency()

    return await policy("around").outcome(work)


async def _by_stream(through, dependency, seconds):
    async def items():
        yield await dependency()

    async def work():
        async for _ in through.stream(items, timeout=seconds):
            pass

    return await policy("around").outcome(work)


async def _behind_a_line(through, dependency, seconds):
    """The gates are busy for a moment, whenever somebody comes."""
    (gate,) = through.gates
    asyncio.get_running_loop().call_later(0.01, gate.admit(Ask()).cancel)
    return await through.outcome(dependency, timeout=seconds)


ways = [_by_ask, _by_timeout, _by_inheritance, _by_permit, _by_loop, _by_stream]
in_whatever_way = pytest.mark.parametrize("hurry", ways)


async def only_slow(seconds, number=10):
    """A policy whose calls have lately taken so many seconds."""
    through = policy(gates=[bulkhead()])
    for _ in range(number):
        await through.run(Dependency(seconds))
    return through


async def used_to(seconds, number=10):
    """The same, and one that was given a little less has run out of it."""
    through = await only_slow(seconds, number)
    await _runs_out(through, seconds)
    return through


async def _runs_out(through, seconds):
    """One that would take so many seconds had a little less."""
    assert not (await through.outcome(Dependency(seconds), timeout=0.99 * seconds)).ok


@in_whatever_way
async def test_too_little_time_is_too_little_in_whatever_way_it_is_given(hurry):
    through, dependency = await used_to(2.0), Dependency("quick")
    ended = await hurry(through, dependency, 1.9)
    assert "too little time" in str(ended.error)
    assert not dependency.calls
    assert (await hurry(through, dependency, 2.1)).ok


@in_whatever_way
async def test_as_much_time_as_the_quickest_took_is_enough(hurry):
    through = await used_to(2.0)
    await through.run(Dependency(1.0))
    assert (await hurry(through, Dependency(0.5), 1.0)).ok


async def test_as_much_time_as_the_quickest_took_before_is_enough():
    through = await only_slow(2.0)
    await asyncio.sleep(20)
    await _runs_out(through, 2.0)
    assert not (await _by_timeout(through, Dependency(0.1), 1.9)).ok
    assert (await _by_timeout(through, Dependency(0.5), 2.0)).ok


@in_whatever_way
async def test_a_cold_policy_refuses_no_hurry(hurry):
    assert (await hurry(await used_to(2.0, number=9), Dependency("quick"), 0.5)).ok


@in_whatever_way
async def test_one_quick_call_is_enough_for_all_who_are_in_a_hurry(hurry):
    through = await used_to(2.0)
    await through.run(Dependency(0.2))
    assert [(await hurry(through, Dependency(0.2), 0.5)).ok for _ in range(20)] == [True] * 20


@in_whatever_way
async def test_one_hurried_call_in_five_seconds_goes_to_see(hurry):
    through, still_slow = await used_to(2.0), Dependency(2.0)
    for _ in range(40):
        await hurry(through, still_slow, 0.5)
        await asyncio.sleep(0.5)
    assert still_slow.calls == pytest.approx([26.98, 31.98, 36.98, 41.98], abs=1e-3)


@pytest.mark.parametrize("hurry", [*ways, _behind_a_line])
async def test_who_went_to_see_and_was_quick_enough_opens_the_way(hurry):
    through = await used_to(2.0)
    ends = []
    for _ in range(20):
        ends.append((await hurry(through, Dependency(0.1), 0.5)).ok)
        await asyncio.sleep(1)
    assert ends == [False] * 5 + [True] * 15


async def test_who_waits_in_vain_leaves_the_look_to_the_next():
    through = await used_to(2.0)
    await _by_timeout(through, Dependency(2.0), 0.5)
    await asyncio.sleep(5)
    (gate,) = through.gates
    held = gate.admit(Ask())
    assert (await _by_timeout(through, Dependency(0.1), 0.5)).error.gate == "bulkhead"
    held.cancel()
    assert (await _by_timeout(through, Dependency(0.1), 0.5)).ok


@in_whatever_way
async def test_who_has_time_enough_takes_nobodys_look(hurry):
    through = await used_to(2.0)
    await hurry(through, Dependency(0.1), 0.5)
    await asyncio.sleep(5)
    assert (await hurry(through, Dependency(2.0), 2.1)).ok
    assert (await hurry(through, Dependency(0.1), 0.5)).ok


async def test_who_is_refused_before_the_line_is_not_kept_in_it():
    through = await used_to(2.0)
    held = through.gates[0].admit(Ask())
    now = running_clock().monotonic()
    assert "too little" in str((await _by_timeout(through, Dependency(0.1), 0.5)).error)
    assert running_clock().monotonic() == now
    held.cancel()


async def test_who_has_too_little_time_left_after_the_line_is_not_begun():
    through, dependency = await used_to(2.0), Dependency("quick")
    (gate,) = through.gates
    asyncio.get_running_loop().call_later(4, gate.admit(Ask()).cancel)
    ended = await through.outcome(dependency, timeout=5)
    assert str(ended.error).startswith("dep: 1.000 s are too little time to begin")
    assert (dependency.calls, gate.stats().in_flight) == ([], 0)


async def test_what_was_slow_is_forgotten_within_a_minute():
    through = await used_to(2.0)
    await asyncio.sleep(60)
    assert (await _by_timeout(through, Dependency("quick"), 0.5)).ok


async def test_what_was_quick_is_known_for_half_a_minute():
    through = await used_to(2.0, number=1)
    await through.run(Dependency(0.2))
    for _ in range(15):
        await through.run(Dependency(2.0))
    assert (await _by_timeout(through, Dependency(0.1), 0.5)).ok


async def test_what_was_quick_is_forgotten_within_a_minute():
    through = await used_to(0.1)
    for _ in range(31):
        await through.run(Dependency(2.0))
    await _runs_out(through, 2.0)
    assert "too little time" in str((await _by_timeout(through, Dependency(0.1), 0.5)).error)


async def test_failures_say_nothing_of_how_quick_an_answer_is():
    through = await used_to(2.0)
    for _ in range(20):
        await through.outcome(Dependency(OSError("refused at once")))
    assert not (await _by_timeout(through, Dependency(0.1), 0.5)).ok


async def test_a_long_stream_that_begins_at_once_can_begin_in_a_hurry():
    """How long it lasts says nothing of when its first item comes."""
    through = policy()

    async def words():
        await asyncio.sleep(0.2)
        for word in ("one", "two"):
            yield word
            await asyncio.sleep(1)

    for _ in range(12):
        assert [word async for word in through.stream(words)] == ["one", "two"]
    assert (await _by_timeout(through, Dependency(0.2), 0.5)).ok
    await _runs_out(through, 0.2)
    assert not (await _by_timeout(through, Dependency("quick"), 0.1)).ok


async def test_who_has_more_time_than_others_ran_out_of_is_begun():
    """As little as that has shown itself too little, and no more."""
    through = await only_slow(2.0)
    await through.outcome(Dependency(2.0), timeout=1.0)
    assert not (await _by_timeout(through, Dependency("quick"), 1.0)).ok
    assert (await _by_timeout(through, Dependency("late"), 1.1)).ok


async def test_of_those_who_ran_out_the_one_with_most_time_counts():
    through = await only_slow(2.0)
    for seconds in (1.0, 1.5):
        await through.outcome(Dependency(2.0), timeout=seconds)
    assert not (await _by_timeout(through, Dependency("quick"), 1.5)).ok
    now, memory = running_clock().monotonic(), through.memory
    memory.ran_out(1.7, now)
    memory.ran_out(1.2, now)
    assert memory.too_few == 1.7


async def test_that_one_ran_out_is_forgotten_when_nobody_has_looked_for_long():
    through = await only_slow(2.0)
    await _runs_out(through, 2.0)
    for _ in range(20):
        await through.run(Dependency(2.0))
    taken = asyncio.gather(*[through.outcome(Dependency(0.1), timeout=1.0) for _ in range(5)])
    assert [ending.ok for ending in await taken] == [True] * 5


async def test_what_was_run_out_of_long_ago_counts_no_more_beside_less():
    through = await only_slow(2.0)
    await _runs_out(through, 2.0)
    for _ in range(20):
        await through.run(Dependency(2.0))
    await through.outcome(Dependency(2.0), timeout=0.5)
    assert (await _by_timeout(through, Dependency("quick"), 1.0)).ok


async def test_a_call_that_hangs_for_longer_than_answers_take_says_nothing_of_the_quick():
    through = await only_slow(2.0)
    await through.outcome(Dependency(9.0), timeout=3.0)
    assert (await _by_timeout(through, Dependency("quick"), 1.0)).ok


async def test_who_runs_out_while_another_look_is_awaited_does_not_put_it_off():
    through = policy()
    for _ in range(10):
        await through.run(Dependency(2.0))
    began = running_clock().monotonic()
    both = [through.outcome(Dependency(2.0), timeout=seconds) for seconds in (0.5, 1.5)]
    await asyncio.gather(*both)
    await asyncio.sleep(began + 5.6 - running_clock().monotonic())
    assert (await _by_timeout(through, Dependency("quick"), 1.0)).ok


async def test_a_retry_is_no_look():
    """The error of the attempt before is worth more than that another was cut."""
    through = policy(retry=QUICK, random=lambda: 0.0)
    for _ in range(10):
        await through.run(Dependency(2.0))
    dependency = Dependency(OSError("refused at once"), "quick")
    ended = await through.outcome(dependency, timeout=1.0)
    assert (str(ended.error), len(dependency.calls)) == ("refused at once", 1)


async def test_a_policys_own_timeout_is_never_too_little():
    through = policy(timeout=2.5)
    for _ in range(20):
        await through.run(Dependency(2.0), timeout=9)
    assert await through.run(Dependency(2.0)) == "late"


async def test_of_many_calls_in_a_lane_up_to_eight_a_second_are_seen():
    """That is enough to know calls by; how quick each was is known of all."""
    through = policy(timeout=9)
    for _ in range(24):
        await through.run(Dependency(0.025))
    assert through.memory.seen == 5


async def test_a_call_with_a_time_of_its_own_is_always_looked_at():
    through = policy(timeout=9)
    for _ in range(10):
        await through.run(Dependency(2.0))
    await through.run(Dependency(0.05), timeout=5)
    assert (await through.outcome(Dependency(0.05), timeout=0.1)).ok


async def test_a_deadline_that_comes_with_a_timeout_asks_once_whether_there_is_time():
    """Asked twice, who may go to see would have been taken for two."""
    through = await used_to(2.0)
    await _by_timeout(through, Dependency(2.0), 0.5)
    await asyncio.sleep(5)
    ended = await policy("outer", timeout=0.4).outcome(
        lambda: through.run(Dependency(0.1), timeout=0.5)
    )
    assert ended.ok


async def test_what_is_left_of_a_policys_own_timeout_after_an_attempt_can_be_too_little():
    through = policy(timeout=5, retry=QUICK, random=lambda: 0.0)
    for _ in range(10):
        await through.run(Dependency(2.0))

    async def fails_late():
        await asyncio.sleep(4)
        raise OSError

    ended = await through.outcome(fails_late)
    assert ended.attempts == 1
    assert ended.error.__notes__[0] == "dep: the next attempt in 0.0 s is past the deadline"


async def test_what_is_left_of_a_policys_own_timeout_after_a_line_can_be_too_little():
    through = policy(timeout=5, gates=[bulkhead()])
    for _ in range(10):
        await through.run(Dependency(2.0))
    await _runs_out(through, 2.0)
    asyncio.get_running_loop().call_later(4, through.gates[0].admit(Ask()).cancel)
    assert "too little time" in str((await through.outcome(Dependency("quick"))).error)


def test_what_the_quickest_of_the_half_minute_before_took_is_not_unheard_of():
    memory = Memory()
    for eighth in range(10):
        memory.do_chores(eighth / 8, None)
        memory.note(2.0)
    assert [memory.is_unheard_of(seconds, 35.0) for seconds in (1.999, 2.0)] == [True, False]
