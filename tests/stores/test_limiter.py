"""Windows that a restart does not forget, and that several processes share."""

import json

import pytest

from koo.resilience import (
    SUCCESS,
    Advice,
    Ask,
    Failure,
    Limit,
    LimitPaused,
    RetryClass,
    Spent,
    Success,
)

from .tools import HOUR, MINUTE, admitted, change, limiter, queue, refused, rows, used

ONE = Ask()
DAY = 86400.0
DOCUMENTED = (Limit(60, MINUTE), Limit(1000, HOUR), Limit(10_000, DAY))


def call(gate, ask=ONE, outcome=SUCCESS):
    admitted(gate, ask).settle(outcome)


def test_what_was_admitted_is_still_counted_after_a_restart(open_store):
    store = open_store()
    for _ in range(7):
        call(limiter(store, *DOCUMENTED))
    store.close()
    assert used(limiter(open_store(), *DOCUMENTED)) == [7, 7, 7]


def test_it_leaves_its_windows_when_it_would_have_left_them(open_store, clock):
    store = open_store()
    call(limiter(store, *DOCUMENTED))
    store.close()
    clock.advance(MINUTE - 0.1)
    gate = limiter(open_store(), *DOCUMENTED)
    assert used(gate) == [1, 1, 1]
    clock.advance(2)
    assert used(gate) == [0, 1, 1]
    clock.advance(HOUR)
    assert used(gate) == [0, 0, 1]
    clock.advance(DAY)
    assert used(gate) == [0, 0, 0]


def test_the_limit_holds_for_all_processes_together(open_store, clock):
    gates = [limiter(open_store()) for _ in range(3)]
    for number in range(10):
        call(gates[number % 3])
        clock.advance(0.5)
    for gate in gates:
        assert refused(gate, ONE).retry_after == pytest.approx(MINUTE - 5, abs=1)
        assert used(gate) == [10]


def test_limiters_of_other_names_are_others(open_store):
    store = open_store()
    for name in ("one", "two"):
        call(limiter(store, Limit(1, MINUTE), name=name))


def test_what_is_cancelled_is_free_for_all(open_store, clock):
    one, other = limiter(open_store(), Limit(2, MINUTE)), limiter(open_store(), Limit(2, MINUTE))
    permits = [admitted(one, ONE), admitted(other, ONE)]
    clock.advance(30)
    refused(one, ONE)
    for permit in permits:
        permit.cancel()
    assert used(one) == used(other) == [0]


def test_tokens_are_corrected_in_the_file(open_store):
    limits = Limit(10, MINUTE), Limit(100, MINUTE, "tokens")
    store = open_store()
    gate = limiter(store, *limits)
    call(gate, Ask(tokens=80), Success(spent=Spent(tokens=30)))
    call(gate, Ask(tokens=10), Success(spent=Spent(tokens=15)))
    store.close()
    assert used(limiter(open_store(), *limits)) == [2, 45]


def test_what_was_spent_as_asked_is_not_written_again(open_store, place):
    gate = limiter(open_store())
    permit = admitted(gate, Ask(tokens=80))
    before = rows(place)
    permit.settle(Success(spent=Spent(tokens=30, nanousd=7)))
    assert rows(place) == before


def test_a_refusal_writes_nothing(open_store, place, clock):
    gate = limiter(open_store(), Limit(1, MINUTE))
    call(gate)
    before = rows(place)
    clock.advance(5)
    refused(gate, ONE)
    assert rows(place) == before


def test_what_a_refusal_moved_is_not_counted_twice(open_store, clock):
    """One process is refused, another is admitted, the first reads on."""
    one, other = limiter(open_store(), Limit(5, MINUTE)), limiter(open_store(), Limit(5, MINUTE))
    call(one, Ask(requests=3))
    clock.advance(0.25)
    refused(one, Ask(requests=3))
    call(other)
    assert used(one) == used(other) == [4]
    call(one)
    assert used(one) == used(other) == [5]


def test_looking_changes_nothing_in_the_file(open_store, place, clock):
    gate = limiter(open_store(), *DOCUMENTED)
    call(gate)
    before = rows(place)
    for _ in range(5):
        clock.advance(20)
        used(gate)
    assert rows(place) == before


THROTTLED = Failure(retryable=True, trips=False, retry_after=20.0, retry_class=RetryClass.THROTTLED)
ADVISED = Success(advice=Advice(remaining_requests=0, reset_after=20.0))


@pytest.mark.parametrize("outcome", [THROTTLED, ADVISED])
def test_a_pause_holds_for_all_and_over_a_restart(open_store, clock, outcome):
    store = open_store()
    one, other = limiter(store), limiter(open_store())
    call(one, outcome=outcome)
    assert refused(other, ONE).retry_after == pytest.approx(20)
    clock.advance(5)
    store.close()
    again = limiter(open_store())
    assert again.stats().paused_for == pytest.approx(15)
    refused(again, ONE)
    clock.advance(15)
    call(again)


def test_a_pause_is_told_once_and_a_shorter_one_is_none(open_store, place):
    told = []
    gate = open_store().limiter("dep", limiter(open_store())._config, on_event=told.append)
    call(gate)
    gate.pause(20)
    before = rows(place)
    gate.pause(10)
    assert rows(place) == before
    assert told == [LimitPaused("dep", 20)]


def test_windows_that_the_file_does_not_know_begin_with_what_is_pending(open_store, clock):
    store = open_store()
    for _ in range(2):
        call(limiter(store, Limit(60, MINUTE)))
        clock.advance(2)
    store.close()
    gate = limiter(open_store(), Limit(9, MINUTE), Limit(10, HOUR), Limit(100, HOUR, "tokens"))
    assert used(gate) == [2, 1, 0]
    call(gate, Ask(tokens=5))
    assert used(gate) == [3, 2, 5]


def test_the_file_can_be_read_by_people(open_store, place, clock):
    gate = limiter(open_store(), Limit(60, MINUTE))
    call(gate)
    clock.advance(1)
    call(gate)
    ((name, moment, head, body),) = rows(place)
    assert name == "limiter:dep"
    assert moment == clock.time()
    assert json.loads(head) == {"paused_until": 0, "pending": {"requests": [moment, 1]}}
    assert sum(json.loads(body)["requests"]["60.0"][1]) == 1


def test_a_row_that_was_taken_away_by_hand_is_a_new_beginning(open_store, place):
    gate = limiter(open_store())
    call(gate)
    change(place, "DELETE FROM states")
    assert used(gate) == [0]


def test_who_waits_is_called_by_a_refund(open_store):
    limits = (Limit(100, MINUTE, "tokens"),)
    gate = limiter(open_store(), *limits)
    permit = admitted(gate, Ask(tokens=80))
    (visitor,) = queue(gate, Ask(tokens=60))
    permit.settle(Success(spent=Spent(tokens=40)))
    assert visitor.permit is not None
    assert used(gate) == [100]


def test_who_waits_is_called_when_its_time_has_come(open_store, clock):
    gate = limiter(open_store(), Limit(1, MINUTE))
    call(gate)
    (visitor,) = queue(gate, ONE)
    clock.advance(visitor.due)
    gate.serve()
    assert visitor.permit is not None
