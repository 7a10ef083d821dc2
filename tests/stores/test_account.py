"""A settlement is kept and repeated; a transaction is whole, or has never been."""

import gc
import threading
import weakref

import pytest

from koo.resilience import Permit
from koo.stores import SQLiteStore
from koo.stores.file import _forgetter

from .tools import (
    REST,
    admitted,
    budget,
    cost,
    fill,
    limiter,
    money,
    queue,
    refused,
    spent,
)

# -- a settlement is kept and repeated ------------------------------------------------------------


def test_a_settlement_that_fails_is_repeated_by_the_next_call(open_store, locked, clock):
    gate = budget(open_store())
    permit = admitted(gate, cost(300))
    key = locked()
    permit.settle(spent(120))
    key.close()
    assert money(budget(open_store())) == (0, 300, 700)
    clock.advance(REST)
    refused(gate, cost(881))
    assert money(budget(open_store())) == (120, 0, 880)


def test_a_settlement_that_fails_is_repeated_by_any_other_gate(open_store, locked, clock):
    store = open_store()
    gate, others = budget(store), [limiter(store), budget(store, name="other")]
    permits = [admitted(gate, cost(300)), admitted(others[1], cost(300))]
    key = locked()
    permits[0].settle(spent(400))
    clock.advance(REST)
    permits[1].settle(spent(400))
    key.close()
    clock.advance(REST)
    admitted(others[0], cost(0))
    assert money(gate) == money(others[1]) == (400, 0, 600)


def test_a_settlement_that_fails_is_repeated_at_the_end(open_store, locked, clock):
    store = open_store()
    permit = admitted(budget(store), cost(300))
    key = locked()
    permit.settle(spent(400))
    key.close()
    clock.advance(REST)
    store.close()
    assert money(budget(open_store())) == (400, 0, 600)


def test_a_settlement_is_repeated_once(open_store, locked, clock):
    gate = budget(open_store())
    permits = [admitted(gate, cost(100)), admitted(gate, cost(100))]
    key = locked()
    for permit in permits:
        permit.settle(spent(50))
    key.close()
    for _ in range(3):
        clock.advance(REST)
        admitted(gate, cost(10)).cancel()
    assert money(gate) == (100, 0, 900)


def test_an_admission_that_cant_be_written_has_not_happened(open_store, clock):
    store = open_store()
    gate = limiter(store, name="x" * 3000)
    admitted(budget(store), cost(1)).cancel()
    connection = fill(store)
    refused(gate, cost(1))
    connection.execute("PRAGMA max_page_count = 100000")
    clock.advance(REST)
    assert gate.stats().windows[0].used == 0


def test_a_pause_that_cant_be_written_holds_here_and_is_repeated(open_store, locked, clock):
    one, other = limiter(open_store()), limiter(open_store())
    admitted(one, cost(0))
    key = locked()
    one.pause(20)
    key.close()
    assert one.stats().paused_for == 20
    assert other.stats().paused_for == 0
    clock.advance(REST)
    refused(one, cost(0))
    assert other.stats().paused_for == pytest.approx(20 - REST)


def test_who_is_in_line_keeps_the_place_while_the_file_is_locked(open_store, locked, clock):
    for make in (budget, limiter):
        gate = make(open_store())
        ask = cost(900) if make is budget else cost(0)
        held = [admitted(gate, ask) for _ in range(1 if make is budget else 10)]
        (visitor,) = queue(gate, ask)
        key = locked()
        gate.serve()
        assert visitor.refusal is None
        assert visitor.due == pytest.approx(REST)
        key.close()
        clock.advance(REST)
        held[0].cancel()
        gate.serve()
        assert visitor.permit is not None


# -- one at a time --------------------------------------------------------------------------------


def test_a_permit_collected_in_the_midst_of_a_transaction_is_debited_later(open_store, clock):
    gate = budget(open_store())
    dropped = [admitted(gate, cost(300))]
    dropped.append(dropped)
    decide = gate.decide

    def collect_first(ask):
        dropped.clear()
        gc.collect()
        return decide(ask)

    gate.decide = collect_first
    admitted(gate, cost(10)).cancel()
    gate.decide = decide
    admitted(gate, cost(10)).cancel()
    assert money(gate) == (300, 0, 700)


def test_a_mistake_in_the_midst_of_a_transaction_ends_it(open_store, clock):
    gate = budget(open_store())
    decide, gate.decide = gate.decide, lambda _: 1 / 0
    with pytest.raises(ZeroDivisionError):
        gate.admit(cost(1))
    gate.decide = decide
    admitted(gate, cost(1)).cancel()


def test_threads_take_turns(open_store):
    gate, made = budget(open_store(), limit=10**6), []
    # To make the file may take longer than anybody waits.
    admitted(gate, cost(0)).cancel()

    def work():
        for _ in range(100):
            answer = gate.admit(cost(2))
            if isinstance(answer, Permit):
                made.append(answer)
                answer.settle(spent(1))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Whoever stood in another's way for too long owes what it has settled.
    admitted(gate, cost(0)).cancel()
    assert len(made) > 100
    assert money(gate) == (len(made), 0, 10**6 - len(made))


def test_a_thread_waits_only_so_long_for_another(open_store, clock):
    gate = budget(open_store())
    admitted(gate, cost(1)).cancel()
    with gate.account._file._lock:
        refusal = refused(gate, cost(1))
        assert "(state.db is in use)" in str(refusal)
        assert refusal.retry_after == REST
        assert money(gate) == (0, 0, 1000)
    admitted(gate, cost(1)).cancel()


def test_looking_while_settlements_are_owed_shows_what_is_known_here(open_store, locked, clock):
    gate = budget(open_store())
    permit = admitted(gate, cost(300))
    locked()
    permit.settle(spent(120))
    assert money(gate) == (0, 300, 700)
    clock.advance(REST)
    assert money(gate) == (0, 300, 700)
    assert gate.stats().trouble is None


def test_looking_in_the_midst_of_a_transaction_shows_what_is_known_here(open_store):
    gate = budget(open_store())
    admitted(gate, cost(300)).settle(spent(120))
    decide, seen = gate.decide, []

    def look_first(ask):
        seen.append(money(gate))
        return decide(ask)

    gate.decide = look_first
    admitted(gate, cost(1)).cancel()
    assert seen == [(120, 0, 880)]


def test_a_permit_collected_while_others_are_made_good_is_not_forgotten(open_store, locked, clock):
    store = open_store()
    gate = budget(store)
    held = admitted(gate, cost(100))
    dropped = [admitted(gate, cost(300))]
    dropped.append(dropped)
    key = locked()
    held.settle(spent(50))
    key.close()
    clock.advance(REST)
    tell = gate.tell

    class Collecting:
        name = gate.name

        def __getattr__(self, name):
            return getattr(gate, name)

        def tell(self):
            dropped.clear()
            gc.collect()
            return tell()

    gate.account.gate = Collecting()
    admitted(gate, cost(10)).cancel()
    gate.account.gate = gate
    assert store._file.debtors == set()
    assert money(gate) == (350, 0, 650)


# -- forks ----------------------------------------------------------------------------------------


def test_a_child_has_a_connection_and_a_name_of_its_own(open_store):
    """The parent's are not closed in the child: that would disturb the parent."""
    store = open_store()
    gate = budget(store)
    held = admitted(gate, cost(300))
    file, name, connection = store._file, store._file.owners.me, store._file._connection
    file._forget()
    assert money(gate) == (300, 0, 700)
    assert file.owners.me != name
    assert connection.execute("SELECT 1").fetchone() == (1,)
    held.settle(spent(100))
    assert money(gate) == (300, 0, 700)


def test_a_store_that_nobody_holds_needs_no_care_after_a_fork(place, clock):
    store = SQLiteStore(place, clock=clock)
    file = weakref.ref(store._file)
    forget = _forgetter(file)
    forget()
    del store
    gc.collect()
    assert file() is None
    forget()
