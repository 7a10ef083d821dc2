"""Calls on their way: how many, and how many of them take too long."""

from hypothesis import given
from hypothesis import strategies as st

from koo.resilience.flights import Flights


def test_none_is_on_its_way_at_first():
    flights = Flights()
    assert len(flights) == flights.overdue(1e9, 1.0) == 0


def test_a_call_as_long_as_the_threshold_is_not_overdue_yet():
    flights = Flights()
    flights.begin(1, 10.0)
    assert flights.overdue(12.0, 2.0) == 0
    assert flights.overdue(12.1, 2.0) == 1
    assert len(flights) == 1


def test_an_overdue_call_that_ends_is_overdue_no_more():
    flights = Flights()
    flights.begin(1, 10.0)
    flights.begin(2, 10.0)
    flights.overdue(20.0, 2.0)
    flights.end(1)
    assert len(flights) == flights.overdue(20.0, 2.0) == 1


def test_the_end_of_what_is_not_on_its_way_is_nothing():
    flights = Flights()
    flights.begin(1, 10.0)
    flights.end(2)
    flights.end(1)
    flights.end(1)
    assert len(flights) == 0


@given(st.lists(st.tuples(st.sampled_from(["begin", "end", "wait"]), st.integers(0, 5))))
def test_it_counts_as_if_it_looked_at_all_of_them(steps):
    flights, known, now = Flights(), {}, 100.0
    for step, number in steps:
        match step:
            case "begin" if number not in known:
                known[number] = now
                flights.begin(number, now)
            case "end":
                known.pop(number, None)
                flights.end(number)
            case "wait":
                now += number / 2
        assert len(flights) == len(known)
        assert flights.overdue(now, 1.0) == sum(now - stamp > 1.0 for stamp in known.values())


def test_a_call_that_ends_while_it_is_looked_at_is_not_overdue():
    """The collector may end it between any two steps."""

    class Collected(Flights):
        def _oldest(self):
            call = super()._oldest()
            if call is not None:
                self.end(call)
            return call

    flights = Collected()
    flights.begin(1, 10.0)
    assert flights.overdue(20.0, 2.0) == len(flights) == 0
