"""Deadlines as values, between processes, and where they do not reach."""

import pytest

from koo.resilience import Deadline, Policy, current_attempt, current_deadline, detached
from koo.testing import running_clock


def test_what_is_left_is_never_negative():
    deadline = Deadline.after(5, 100)
    assert deadline == Deadline(105)
    assert [deadline.remaining(now) for now in (100, 104, 105, 200)] == [5, 1, 0, 0]


def test_it_is_over_at_its_very_moment():
    assert [Deadline(105).expired(now) for now in (104.999, 105, 106)] == [False, True, True]


def test_the_tighter_of_two_is_the_smaller():
    assert min(Deadline(3), Deadline(2)) == Deadline(2)


@pytest.mark.parametrize(
    ("left", "header"), [(5, "5000"), (0.0019, "1"), (0.0009, "0"), (-3, "0"), (86400, "86400000")]
)
def test_it_travels_as_the_milliseconds_that_are_left_rounded_down(left, header):
    assert Deadline.after(left, 1000).to_header(1000) == header


@pytest.mark.parametrize("at", [1e9, 1e10, 1e306])
def test_what_is_too_long_for_a_header_is_sent_as_the_longest(at):
    header = Deadline(at).to_header(0)
    assert header == "9" * 12
    assert Deadline.from_header(header, 0) == Deadline(999999999.999)


@pytest.mark.parametrize(
    ("header", "left"), [("0", 0), ("1", 0.001), ("5000", 5), ("999999999999", 999999999.999)]
)
def test_it_arrives_on_the_clock_of_whoever_reads_it(header, left):
    assert Deadline.from_header(header, 50).at == pytest.approx(50 + left)


NO_MILLISECONDS = {
    "nothing": "",
    "a minus": "-1",
    "a plus": "+5",
    "a fraction": "1.5",
    "a space before": " 5",
    "a space after": "5 ",
    "letters": "abc",
    "a power": "1e3",
    "an arabic digit": "٣",
    "a square": "²",
    "a separator": "1_000",
    "too many digits": "1" * 13,
    "a line end": "5\n",
}


@pytest.mark.parametrize("header", NO_MILLISECONDS.values(), ids=NO_MILLISECONDS)
def test_a_header_that_is_not_a_number_of_milliseconds_is_refused(header):
    with pytest.raises(ValueError, match="^Deadline: the header is not a number of milliseconds"):
        Deadline.from_header(header, 0)


def test_outside_every_policy_there_is_no_deadline_and_no_attempt():
    assert current_deadline() is None
    assert current_attempt() == 0


async def test_inside_a_policy_both_can_be_seen():
    seen = []

    async def look():
        seen.append((current_deadline(), current_attempt()))

    clock = running_clock()
    await Policy("plain", clock=clock).run(look)
    await Policy("timed", timeout=5, clock=clock).run(look)
    assert seen == [(None, 1), (Deadline(5), 1)]
    assert current_deadline() is None


async def test_detached_work_inherits_no_deadline():
    clock, seen = running_clock(), []

    async def look():
        seen.append((current_deadline(), current_attempt()))

    async def start():
        await detached(look(), name="the dialer")

    await Policy("outer", timeout=5, clock=clock).run(start)
    assert seen == [(None, 0)]


async def test_a_call_through_a_policy_can_be_detached_too():
    clock, seen = running_clock(), []

    async def look():
        seen.append((current_deadline(), current_attempt()))

    async def start():
        await detached(Policy("inner", timeout=60, clock=clock).run(look))

    await Policy("outer", timeout=5, clock=clock).run(start)
    assert seen == [(Deadline(60), 1)]


async def test_a_detached_task_has_the_name_it_was_given():
    async def nothing():
        return 7

    task = detached(nothing(), name="the dialer")
    assert task.get_name() == "the dialer"
    assert await task == 7
