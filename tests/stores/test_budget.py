"""Money that a restart does not forget, and that several processes share."""

import json

import pytest

from koo.errors import BudgetExhausted
from koo.resilience import ABANDONED, SUCCESS, Permit

from .tools import (
    Visitor,
    admitted,
    budget,
    change,
    cost,
    money,
    queue,
    refused,
    rows,
    spent,
)

HALF_A_DAY = 12 * 3600


def test_what_was_spent_is_still_spent_after_a_restart(open_store):
    store = open_store()
    admitted(budget(store), cost(300)).settle(spent(120))
    store.close()
    assert money(budget(open_store())) == (120, 0, 880)


def test_a_store_that_was_closed_opens_again_by_itself(open_store):
    store = open_store()
    gate = budget(store)
    admitted(gate, cost(300)).settle(spent(120))
    store.close()
    admitted(gate, cost(100)).settle(SUCCESS)
    assert money(gate) == (220, 0, 780)


def test_what_was_reserved_when_a_process_ended_is_spent(open_store):
    store = open_store()
    held = admitted(budget(store), cost(300))
    store.close()
    assert money(budget(open_store())) == (300, 0, 700)
    held.done = True


def test_the_end_of_a_call_from_before_the_restart_changes_nothing_more(open_store):
    """What it had reserved was spent in full when the file was opened again."""
    store = open_store()
    gate = budget(store)
    held = admitted(gate, cost(300))
    store.close()
    assert money(gate) == (300, 0, 700)
    held.settle(spent(100))
    assert money(gate) == (300, 0, 700)


def test_two_processes_share_one_budget(open_store):
    one, other = budget(open_store()), budget(open_store())
    first = admitted(one, cost(600))
    assert money(other) == (0, 600, 400)
    refused(other, cost(500))
    first.settle(spent(100))
    second = admitted(other, cost(900))
    assert money(one) == money(other) == (100, 900, 0)
    second.cancel()
    assert money(one) == (100, 0, 900)


def test_two_gates_of_one_name_in_one_process_share_it_as_two_processes_would(open_store):
    store = open_store()
    one, other = budget(store), budget(store)
    held = admitted(one, cost(300))
    own = admitted(other, cost(400))
    assert money(one) == money(other) == (0, 700, 300)
    held.settle(spent(100))
    own.settle(spent(500))
    assert money(one) == money(other) == (600, 0, 400)
    assert refused(other, cost(500)).line is None


def test_budgets_of_other_names_are_others(open_store):
    store = open_store()
    admitted(budget(store, name="one"), cost(1000)).settle(SUCCESS)
    admitted(budget(store, name="two"), cost(1000)).settle(SUCCESS)


def test_what_another_process_holds_may_be_waited_for(open_store):
    one, other = budget(open_store()), budget(open_store())
    held = admitted(one, cost(900))
    refusal = refused(other, cost(500))
    assert isinstance(refusal, BudgetExhausted)
    assert refusal.line is other
    held.settle(SUCCESS)
    assert refused(other, cost(500)).line is None


def test_what_a_dead_process_held_is_spent_as_soon_as_it_is_missed(open_store):
    dying = open_store()
    held = admitted(budget(dying), cost(900))
    alive = budget(open_store())
    assert refused(alive, cost(500)).line is alive
    dying.close()
    refusal = refused(alive, cost(500))
    assert refusal.line is None
    assert "what is left of the day is too little" in str(refusal)
    assert alive.stats().rejected_total == 2
    assert money(alive) == (900, 0, 100)
    admitted(alive, cost(100)).cancel()
    held.done = True


def test_what_a_dead_process_held_is_spent_and_the_living_keep_theirs(open_store):
    dying, living = open_store(), open_store()
    held = admitted(budget(dying), cost(300)), admitted(budget(living), cost(400))
    watching = budget(open_store())
    dying.close()
    refused(watching, cost(500))
    assert money(watching) == (300, 400, 300)
    held[1].settle(spent(50))
    assert money(watching) == (350, 0, 650)
    held[0].done = True


def test_a_process_whose_lock_file_is_missing_keeps_what_it_reserved(open_store, place):
    one, other = budget(open_store()), budget(open_store())
    held = admitted(one, cost(900))
    for path in place.parent.glob("state.db-owner-*"):
        path.unlink()
    assert refused(other, cost(500)).line is other
    held.settle(spent(200))
    assert money(other) == (200, 0, 800)


def test_the_traces_of_the_dead_are_removed_at_the_next_start(open_store, place):
    for _ in range(3):
        store = open_store()
        admitted(budget(store), cost(1)).settle(SUCCESS)
        store.close()
    assert len(list(place.parent.glob("state.db-owner-*"))) == 1


def test_midnight_brings_a_new_budget_to_all(open_store, clock):
    one, other = budget(open_store()), budget(open_store())
    overnight = admitted(one, cost(800))
    admitted(other, cost(200)).settle(SUCCESS)
    clock.advance(HALF_A_DAY)
    assert money(other) == (0, 0, 1000)
    today = admitted(other, cost(1000))
    overnight.settle(spent(700))
    assert one.stats().settled_late_nanousd == 700
    assert money(one) == money(other) == (0, 1000, 0)
    today.settle(spent(10))
    assert money(one) == (10, 0, 990)


def test_a_day_that_another_process_began_does_not_begin_again(open_store, clock):
    one, other = budget(open_store()), budget(open_store())
    admitted(one, cost(1)).settle(SUCCESS)
    admitted(other, cost(1)).settle(SUCCESS)
    clock.advance(HALF_A_DAY)
    admitted(one, cost(1000)).settle(SUCCESS)
    refused(other, cost(1))


def test_a_wall_clock_set_back_between_two_starts_gives_no_day_twice(open_store, clock):
    clock.advance(HALF_A_DAY)
    store = open_store()
    admitted(budget(store), cost(1000)).settle(SUCCESS)
    store.close()
    clock.step_wall(-2 * 86400)
    refused(budget(open_store(boot="second")), cost(1))


def test_looking_changes_nothing_in_the_file(open_store, place, clock):
    store = open_store()
    gate = budget(store)
    admitted(gate, cost(400)).settle(SUCCESS)
    before = rows(place)
    clock.advance(HALF_A_DAY)
    for _ in range(3):
        assert money(gate) == (0, 0, 1000)
    assert rows(place) == before


def test_a_refusal_writes_nothing(open_store, place):
    gate = budget(open_store())
    admitted(gate, cost(1000)).settle(SUCCESS)
    before = rows(place)
    refused(gate, cost(1))
    assert rows(place) == before


def test_the_file_can_be_read_by_people(open_store, place):
    gate = budget(open_store())
    held = admitted(gate, cost(300))
    ((name, _, head, body),) = rows(place)
    assert (name, body) == ("budget:dep", "")
    told = json.loads(head)
    assert list(told["reserved"].values()) == [300]
    assert (told["spent"], told["late"]) == (0, 0)
    held.cancel()


def test_a_row_that_was_taken_away_by_hand_is_a_new_beginning(open_store, place):
    gate = budget(open_store())
    held = admitted(gate, cost(900))
    change(place, "DELETE FROM states")
    assert money(gate) == (0, 0, 1000)
    held.settle(spent(500))
    assert money(gate) == (0, 0, 1000)
    admitted(gate, cost(1000)).cancel()


@pytest.mark.parametrize("end", [SUCCESS, ABANDONED])
def test_if_nobody_knows_what_was_spent_the_whole_reservation_is_debited(open_store, end):
    gate = budget(open_store())
    admitted(gate, cost(300)).settle(end)
    assert money(gate) == (300, 0, 700)


def test_a_permit_that_is_dropped_is_debited(open_store):
    gate = budget(open_store())
    admitted(gate, cost(300))
    assert money(gate) == (300, 0, 700)


# -- the line -----------------------------------------------------------------------------------


def test_who_waits_for_a_reservation_gets_what_it_leaves(open_store):
    gate = budget(open_store())
    held = admitted(gate, cost(900))
    (visitor,) = queue(gate, cost(800))
    held.settle(spent(200))
    assert visitor.permit is not None
    assert money(gate) == (200, 800, 0)


def test_who_waits_is_told_when_the_day_is_spent(open_store):
    gate = budget(open_store())
    held = admitted(gate, cost(900))
    (visitor,) = queue(gate, cost(800))
    held.settle(SUCCESS)
    assert visitor.refusal.retry_after == HALF_A_DAY


def test_who_waits_for_the_money_of_another_process_looks_again_soon(open_store):
    one, other = budget(open_store()), budget(open_store())
    held = admitted(one, cost(900))
    (visitor,) = queue(other, cost(800))
    assert visitor.due == 0.25
    held.settle(spent(0))
    other.serve()
    assert visitor.permit is not None


def test_a_newcomer_does_not_overtake_but_may_find_the_line_served(open_store):
    one, other = budget(open_store()), budget(open_store())
    held = admitted(one, cost(900))
    (visitor,) = queue(other, cost(800))
    assert refused(other, cost(10)).line is other
    held.settle(spent(0))
    assert isinstance(other.admit(cost(200)), Permit)
    assert visitor.permit is not None


def test_a_grant_to_somebody_who_has_gone_is_taken_back(open_store):
    gate = budget(open_store())
    held = admitted(gate, cost(900))
    assert gate.join(Visitor(cost(800), gone=True)) is None
    held.settle(spent(0))
    assert money(gate) == (0, 0, 1000)
    assert gate.stats().waiting == 0


def test_after_midnight_a_newcomer_is_not_refused_because_of_yesterdays_line(open_store, clock):
    gate = budget(open_store())
    hung = admitted(gate, cost(1000))
    (visitor,) = queue(gate, cost(800))
    clock.advance(HALF_A_DAY)
    answer = gate.admit(cost(200))
    assert visitor.permit is not None
    assert isinstance(answer, Permit)
    hung.cancel()
