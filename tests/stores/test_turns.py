"""What the second of two gates has answered, it tells the call that the first has let in."""

import gc
import threading

from koo.resilience import (
    SUCCESS,
    Ask,
    Limit,
    Permit,
    RateLimiterConfig,
    Spent,
    Success,
)

from .pairs import ASK, SPENT, both, cancel, let_in, settle, told
from .tools import admitted, money, queue, refused, used


def test_a_call_given_back_before_the_second_is_asked_takes_back_what_that_has_decided(
    gates, others
):
    statements = told(gates)
    admitted(gates[0], ASK).cancel()
    assert statements.count("COMMIT") == 2
    assert used(others[0]) == [0, 0]
    assert money(others[1]) == (0, 0, 1000)
    permits = let_in(gates)
    assert money(others[1]) == (0, 300, 700)
    cancel(permits)


def test_a_refusal_that_nobody_hears_is_not_counted(gates):
    admitted(gates[0], Ask(nanousd=1001)).cancel()
    assert gates[1].stats().rejected_total == 0


def test_a_second_that_is_not_asked_takes_back_what_it_decided_with_the_next_call(gates, others):
    left = admitted(gates[0], ASK)
    permits = let_in(gates)
    assert money(others[1]) == (0, 300, 700)
    assert used(others[0]) == [2, 80]
    settle([left, *permits])
    assert used(others[0]) == [2, 50]
    assert money(others[1]) == (120, 0, 880)


def test_a_second_that_is_not_asked_takes_back_what_it_decided_once_the_call_has_ended(
    gates, others
):
    admitted(gates[0], ASK).settle(SUCCESS)
    assert used(others[0]) == [1, 40]
    assert money(others[1]) == (0, 0, 1000)


def test_another_call_does_not_get_what_was_decided_for_this_one(gates, others):
    first = admitted(gates[0], ASK)
    second = admitted(gates[1], Ask(nanousd=1))
    assert money(others[1]) == (0, 1, 999)
    settle([first, admitted(gates[1], ASK), second])
    assert money(others[1]) == (240, 0, 760)


def test_who_asks_for_the_same_in_other_words_gets_it(gates, others):
    permits = [admitted(gate, Ask(nanousd=300)) for gate in gates]
    assert money(others[1]) == (0, 300, 700)
    cancel(permits)


def test_another_thread_does_not_get_it_either(gates, others):
    first, got = admitted(gates[0], ASK), []
    thread = threading.Thread(target=lambda: got.extend(let_in(gates)))
    thread.start()
    thread.join()
    assert money(others[1]) == (0, 600, 400)
    settle([first, admitted(gates[1], ASK), *got])
    assert used(others[0]) == [2, 50]
    assert money(others[1]) == (240, 0, 760)


def test_threads_take_turns(open_store):
    store, made = open_store(), []
    gates = both(store, 10**6, RateLimiterConfig((Limit(10**6, 3600.0, "tokens"),)))
    # To make the file may take longer than anybody waits.
    cancel(let_in(gates, Ask()))

    def work():
        for _ in range(100):
            permit = gates[0].admit(Ask(tokens=2, nanousd=2))
            if not isinstance(permit, Permit):
                continue
            further = gates[1].admit(permit.ask)
            if isinstance(further, Permit):
                made.append(further)
                settle([permit, further], Success(Spent(tokens=1, nanousd=1)))
            else:
                permit.cancel()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.close()
    assert len(made) > 100
    assert used(gates[0]) == [len(made)]
    assert money(gates[1]) == (len(made), 0, 10**6 - len(made))


def test_a_second_with_a_line_is_asked_in_its_turn(gates, others):
    held = admitted(gates[1], Ask(nanousd=900))
    (visitor,) = queue(gates[1], Ask(nanousd=800))
    permit = admitted(gates[0], ASK)
    assert money(others[1]) == (0, 900, 100)
    assert refused(gates[1], ASK).line is gates[1]
    permit.cancel()
    held.cancel()
    assert visitor.permit is not None
    visitor.permit.cancel()


def test_who_stood_in_the_firsts_line_is_decided_by_both(gates, others):
    held = let_in(gates, Ask(tokens=90, nanousd=100))
    (visitor,) = queue(gates[0], ASK)
    cancel(held)
    permits = [visitor.permit, admitted(gates[1], ASK)]
    assert money(others[1]) == (0, 300, 700)
    settle(permits)
    assert used(others[0]) == [1, 25]


def test_who_has_gone_from_the_firsts_line_leaves_nothing(gates, others):
    held = let_in(gates, Ask(tokens=90, nanousd=100))
    (visitor,) = queue(gates[0], ASK)
    visitor.gone = True
    cancel(held)
    assert used(others[0]) == [0, 0]
    assert money(others[1]) == (0, 0, 1000)


def test_a_permit_that_is_collected_is_debited_and_what_the_first_had_to_settle_is_kept(
    gates, others
):
    permits = let_in(gates)
    permits[0].settle(SPENT)
    assert used(others[0]) == [1, 40]
    del permits
    gc.collect()
    assert used(others[0]) == [1, 25]
    assert money(others[1]) == (300, 0, 700)


def test_what_the_first_had_to_settle_is_written_by_any_other_call_too(gates, others):
    permits = let_in(gates)
    permits[0].settle(SPENT)
    settle(let_in(gates, Ask(tokens=1)), SUCCESS)
    assert used(others[0]) == [2, 26]
    permits[1].settle(SPENT)
    assert money(others[1]) == (120, 0, 880)


def test_what_the_first_had_to_settle_is_written_at_the_end(open_store, others):
    store = open_store()
    permits = let_in(both(store))
    permits[0].settle(SPENT)
    store.close()
    assert used(others[0]) == [1, 25]
    permits[1].done = True
