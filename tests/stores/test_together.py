"""A limiter and a budget that calls pass one after the other: two transactions for each call."""

import sqlite3

import pytest

from koo.errors import BudgetExhausted, RateLimited, Rejected, StoreUnavailable
from koo.resilience import (
    SUCCESS,
    Ask,
    DailyBudgetConfig,
    Permit,
    Policy,
)

from .pairs import ASK, LIMITS, SPENT, both, cancel, file_of, let_in, settle, told
from .tools import REST, admitted, change, money, queue, refused, rows, used


class Failing:
    """A cursor that fails at the *number*-th of the statements that begin with *words*."""

    def __init__(self, cursor, words, number):
        self.cursor, self.words, self.left = cursor, words, number

    def execute(self, statement, *terms):
        if statement.startswith(self.words):
            self.left -= 1
            if not self.left:
                raise sqlite3.OperationalError("no")
        return self.cursor.execute(statement, *terms)


#: Every step of a transaction of both.
STEPS = [("BEGIN", 1), ("SELECT", 1), ("SELECT", 2), ("INSERT", 1), ("INSERT", 2), ("COMMIT", 1)]


@pytest.fixture(params=STEPS, ids=lambda step: f"{step[0]}-{step[1]}")
def failing(request, gates):
    """A function that has the next transaction of both fail at a step, and one that ends that."""
    file = file_of(gates)
    cursor = file._cursor

    def fail():
        file._cursor = Failing(cursor, *request.param)

    def mend():
        assert not file._cursor.left
        file._cursor = cursor

    return fail, mend


# -- two transactions -----------------------------------------------------------------------------


def test_a_call_is_two_transactions(gates):
    statements = told(gates)
    permits = let_in(gates)
    assert statements.count("COMMIT") == statements.count("BEGIN IMMEDIATE") == 1
    settle(permits)
    assert statements.count("COMMIT") == statements.count("BEGIN IMMEDIATE") == 2


def test_gates_that_are_made_apart_have_their_own(open_store):
    store = open_store()
    gates = store.limiter("dep", LIMITS), store.budget("dep", DailyBudgetConfig(1000))
    gates[1].stats()
    statements = told(gates)
    settle(let_in(gates))
    assert statements.count("COMMIT") == 4


def test_what_is_let_in_is_there_before_the_second_is_asked(gates, others):
    admitted(gates[0], ASK)
    assert used(others[0]) == [1, 40]
    assert money(others[1]) == (0, 300, 700)


def test_what_is_settled_is_there_after_the_second(gates, others):
    settle(let_in(gates))
    assert used(gates[0]) == used(others[0]) == [1, 25]
    assert money(gates[1]) == money(others[1]) == (120, 0, 880)


def test_it_may_be_settled_in_the_other_order(gates, others):
    settle(reversed(let_in(gates)))
    assert used(others[0]) == [1, 25]
    assert money(others[1]) == (120, 0, 880)


def test_a_call_given_back_leaves_nothing(gates, others):
    for order in (list, reversed):
        statements = told(gates)
        cancel(order(let_in(gates)))
        assert used(others[0]) == [0, 0]
        assert money(others[1]) == (0, 0, 1000)
    assert statements.count("COMMIT") == 3


def test_who_is_refused_by_the_first_is_none_of_the_seconds_business(gates):
    statements = told(gates)
    assert isinstance(refused(gates[0], Ask(tokens=101)), RateLimited)
    assert not any("budget" in statement for statement in statements)
    assert gates[1].stats().rejected_total == 0


def test_who_is_refused_by_the_second_is_counted_by_the_first_until_it_is_given_back(gates, others):
    ask = Ask(tokens=1, nanousd=1001)
    permit = admitted(gates[0], ask)
    assert isinstance(refused(gates[1], ask), BudgetExhausted)
    assert gates[1].stats().rejected_total == 1
    assert used(others[0]) == [1, 1]
    permit.cancel()
    assert used(others[0]) == [0, 0]
    assert gates[1].stats().rejected_total == 1


def test_two_processes_never_pass_what_both_allow(open_store):
    processes = [both(open_store(), limit=2000) for _ in range(2)]
    made = 0
    for turn in range(20):
        gates = processes[turn % 2]
        permit = gates[0].admit(Ask(tokens=1, nanousd=300))
        if isinstance(permit, Permit):
            further = gates[1].admit(permit.ask)
            made += isinstance(further, Permit)
            settle([permit, further] if isinstance(further, Permit) else [permit], SUCCESS)
    assert made == 6
    assert money(processes[0][1]) == money(processes[1][1]) == (1800, 0, 200)
    assert used(processes[0][0]) == used(processes[1][0]) == [10, 10]


def test_what_others_did_since_is_known_to_both(gates, others):
    permits = let_in(others) + let_in(gates)
    assert isinstance(refused(gates[0], ASK), RateLimited)
    assert refused(others[1], Ask(nanousd=500)).line is others[1]
    cancel(permits)


# -- whatever fails -------------------------------------------------------------------------------


def test_an_admission_that_fails_at_any_step_has_not_happened(failing, gates, others, place, clock):
    settle(let_in(gates))
    before, seen = rows(place, "SELECT name, head, body FROM states ORDER BY name"), money(gates[1])
    fail, mend = failing
    fail()
    assert isinstance(refused(gates[0], ASK), StoreUnavailable)
    mend()
    assert rows(place, "SELECT name, head, body FROM states ORDER BY name") == before
    clock.advance(REST)
    assert used(gates[0]) == used(others[0]) == [1, 25]
    assert money(gates[1]) == money(others[1]) == seen
    settle(let_in(gates))
    assert money(others[1]) == (240, 0, 760)


def test_a_settlement_that_fails_at_any_step_is_kept_and_repeated(failing, gates, others, clock):
    permits = let_in(gates)
    fail, mend = failing
    fail()
    settle(permits)
    mend()
    assert used(others[0]) == [1, 40]
    assert money(others[1]) == (0, 300, 700)
    clock.advance(REST)
    let_in(gates, Ask(requests=0))
    assert used(gates[0]) == used(others[0]) == [1, 25]
    assert money(gates[1]) == money(others[1]) == (120, 0, 880)


def test_a_refusal_of_the_second_that_cant_be_written_is_one_of_the_first(gates, others, clock):
    file = file_of(gates)
    cursor, file._cursor = file._cursor, Failing(file._cursor, "COMMIT", 1)
    assert isinstance(refused(gates[0], Ask(nanousd=1001)), StoreUnavailable)
    file._cursor = cursor
    clock.advance(REST)
    assert used(gates[0]) == used(others[0]) == [0, 0]
    settle(let_in(gates))
    assert money(others[1]) == (120, 0, 880)


@pytest.mark.parametrize("name", ["limiter:dep", "budget:dep"])
def test_a_row_of_either_that_makes_no_sense_refuses_by_the_first(gates, place, clock, name):
    let_in(gates)
    change(place, f"UPDATE states SET head = '[]' WHERE name = '{name}'")
    assert "damaged" in str(refused(gates[0], ASK))
    clock.advance(REST)
    assert "damaged" in str(refused(gates[0], ASK))


def test_a_mistake_of_the_second_undoes_the_first(gates, others):
    decide, gates[1].decide = gates[1].decide, lambda _: 1 / 0
    with pytest.raises(ZeroDivisionError):
        gates[0].admit(ASK)
    gates[1].decide = decide
    assert used(gates[0]) == used(others[0]) == [0, 0]
    settle(let_in(gates))
    assert used(others[0]) == [1, 25]


@pytest.mark.parametrize("order", [list, reversed])
def test_lines_of_both_move_once_a_settlement_is_committed(gates, order):
    held = let_in(gates, Ask(tokens=90, nanousd=900))
    visitors = queue(gates[0], Ask(tokens=50)) + queue(gates[1], Ask(nanousd=800))
    settle(order(held))
    assert [visitor.permit is not None for visitor in visitors] == [True, True]
    cancel([visitor.permit for visitor in visitors])


# -- in a policy ----------------------------------------------------------------------------------


class Closed:
    """A gate that lets nobody in."""

    name = "closed"

    def admit(self, ask):
        return Rejected(self.name)


async def test_a_policy_spends_two_transactions_on_a_call(gates, others):
    policy = Policy("dep", gates=gates, appraise=lambda _: SPENT)
    statements = told(gates)
    assert (await policy.outcome(_answer, ASK)).ok
    assert statements.count("COMMIT") == 2
    assert used(others[0]) == [1, 25]
    assert money(others[1]) == (120, 0, 880)


async def test_a_gate_between_the_two_may_refuse(gates, others):
    limiter, budget = gates
    policy = Policy("dep", gates=[limiter, Closed(), budget])
    assert isinstance((await policy.outcome(_answer, ASK)).error, Rejected)
    assert used(others[0]) == [0, 0]
    assert money(others[1]) == (0, 0, 1000)


async def _answer():
    return "text"
