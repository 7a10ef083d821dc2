"""The file: what can be wrong with it is refused in one sentence, and nothing is forgotten."""

import gc
import re
import sqlite3
import threading
from contextlib import closing

import pytest

from koo.errors import Rejected, StoreUnavailable
from koo.resilience import MemoryStore, Permit
from koo.stores import SQLiteStore, connect_store

from .tools import (
    REST,
    admitted,
    budget,
    change,
    cost,
    limiter,
    money,
    queue,
    refused,
    rows,
    spent,
)


@pytest.fixture
def locked(place):
    """A function that locks the file as another program would, and gives the key."""
    connections = []

    def lock():
        connection = sqlite3.connect(place, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        connections.append(connection)
        return connection

    yield lock
    for connection in connections:
        connection.close()


def fill(store):
    """Let the file grow no more, as on a disk that is full."""
    connection = store._file._connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    return connection


# -- refused in one sentence ----------------------------------------------------------------------


def test_a_locked_file_is_one_sentence_and_then_admits_again(open_store, locked, clock):
    gate = budget(open_store())
    admitted(gate, cost(100)).settle(spent(100))
    key = locked()
    refusal = refused(gate, cost(1))
    assert isinstance(refusal, StoreUnavailable)
    assert isinstance(refusal, Rejected)
    assert refusal.line is None
    assert str(refusal) == (
        "dep: store unavailable (state.db is locked by another program); try again in 0.2 s"
    )
    key.close()
    clock.advance(REST)
    admitted(gate, cost(1)).settle(spent(1))
    assert money(gate) == (101, 0, 899)


def test_a_locked_file_holds_up_one_call_and_not_the_next(open_store, locked):
    """The lock is given up at once here, but nobody looks before the file has rested."""
    gate = budget(open_store())
    admitted(gate, cost(1)).cancel()
    key = locked()
    refused(gate, cost(1))
    key.close()
    assert "locked by another program" in str(refused(gate, cost(1)))


def test_a_full_disk_is_one_sentence(open_store, clock):
    store = open_store()
    gate = budget(store)
    admitted(gate, cost(100)).settle(spent(100))
    connection = fill(store)
    crowd = budget(store, name="x" * 3000)
    assert str(refused(crowd, cost(1))).endswith(
        ": store unavailable (the disk of state.db is full, make room); try again in 0.2 s"
    )
    connection.execute("PRAGMA max_page_count = 100000")
    clock.advance(REST)
    assert money(crowd) == (0, 0, 1000)
    admitted(crowd, cost(1000)).cancel()


def test_a_deleted_file_is_one_sentence_and_is_not_made_anew(open_store, place, clock):
    gate = budget(open_store())
    admitted(gate, cost(100)).settle(spent(100))
    place.unlink()
    clock.advance(REST)
    for _ in range(2):
        assert "(state.db was deleted, restart to begin with what is there)" in str(
            refused(gate, cost(1))
        )
        clock.advance(REST)
    assert not place.exists()
    assert money(gate) == (100, 0, 900)


def test_a_replaced_file_is_one_sentence(open_store, place, clock):
    gate = budget(open_store())
    admitted(gate, cost(100)).settle(spent(100))
    place.rename(place.with_suffix(".old"))
    place.touch()
    clock.advance(REST)
    assert "(state.db was replaced, restart" in str(refused(gate, cost(1)))


def test_a_file_of_a_newer_program_is_one_sentence_and_stays_as_it_is(open_store, place):
    store = open_store()
    admitted(budget(store), cost(100)).settle(spent(100))
    store.close()
    change(place, "PRAGMA user_version = 2")
    before = place.read_bytes()
    assert str(refused(budget(open_store()), cost(1))) == (
        "dep: store unavailable (state.db has schema version 2, newer than this program's 1,"
        " update the program or choose another file); try again in 0.2 s"
    )
    assert place.read_bytes() == before


@pytest.mark.parametrize(
    "statement", ["CREATE TABLE t (x)", "PRAGMA user_version = 7", "PRAGMA application_id = 7"]
)
def test_a_file_of_another_program_is_one_sentence_and_stays_as_it_is(open_store, place, statement):
    change(place, statement)
    before = place.read_bytes()
    assert "(state.db belongs to another program, choose another name)" in str(
        refused(budget(open_store()), cost(1))
    )
    assert place.read_bytes() == before


def test_a_file_that_is_no_database_is_one_sentence(open_store, place):
    place.write_bytes(b"some text, and long enough to be taken for a page of something" * 40)
    assert "(state.db is not a state file, choose another name)" in str(
        refused(budget(open_store()), cost(1))
    )


def test_a_folder_that_cant_be_made_is_one_sentence(tmp_path, clock):
    (tmp_path / "taken").touch()
    store = SQLiteStore(tmp_path / "taken" / "state.db", clock=clock)
    assert "(state.db can't be used (" in str(refused(budget(store), cost(1)))
    store.close()


def test_a_place_that_is_a_folder_is_one_sentence(open_store, place):
    place.mkdir()
    assert "(state.db can't be opened, look at its folder and its rights)" in str(
        refused(budget(open_store()), cost(1))
    )


def test_a_row_that_makes_no_sense_is_one_sentence(open_store, place, clock):
    gate = budget(open_store())
    admitted(gate, cost(100)).settle(spent(100))
    for nonsense in ("{", "{}", "[]", '{"ends_at": 0, "spent": "x", "late": 0, "reserved": 5}'):
        change(place, f"UPDATE states SET head = '{nonsense}'")
        clock.advance(REST)
        assert "(state.db is damaged, bring back a copy or move it away)" in str(
            refused(gate, cost(1))
        )
    assert money(gate) == (100, 0, 900)


def test_an_error_without_a_sentence_is_named(open_store, place, clock):
    gate = budget(open_store())
    admitted(gate, cost(100)).settle(spent(100))
    change(place, "DROP TABLE states")
    assert "(state.db can't be used (SQLITE_ERROR))" in str(refused(gate, cost(1)))


def test_what_failed_to_open_leaves_nothing_behind(open_store, place, clock):
    change(place, "CREATE TABLE t (x)")
    for _ in range(3):
        refused(budget(open_store()), cost(1))
        clock.advance(REST)
    assert [path.name for path in place.parent.iterdir()] == ["state.db"]


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
    decide = gate._decide

    def collect_first(ask):
        dropped.clear()
        gc.collect()
        return decide(ask)

    gate._decide = collect_first
    admitted(gate, cost(10)).cancel()
    gate._decide = decide
    admitted(gate, cost(10)).cancel()
    assert money(gate) == (300, 0, 700)


def test_a_mistake_in_the_midst_of_a_transaction_ends_it(open_store, clock):
    gate = budget(open_store())
    decide, gate._decide = gate._decide, lambda _: 1 / 0
    with pytest.raises(ZeroDivisionError):
        gate.admit(cost(1))
    gate._decide = decide
    admitted(gate, cost(1)).cancel()


def test_threads_take_turns(open_store):
    gate = budget(open_store(), limit=10**6)

    made = []

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
    assert len(made) > 100
    assert money(gate) == (len(made), 0, 10**6 - len(made))


def test_a_thread_waits_only_so_long_for_another(open_store, clock):
    gate = budget(open_store())
    admitted(gate, cost(1)).cancel()
    with gate._account._file._lock:
        refusal = refused(gate, cost(1))
        assert "(state.db is in use)" in str(refusal)
        assert refusal.retry_after == REST
        assert money(gate) == (0, 0, 1000)
    admitted(gate, cost(1)).cancel()


def test_looking_while_settlements_are_owed_shows_what_is_known_here(open_store, locked):
    gate = budget(open_store())
    permit = admitted(gate, cost(300))
    locked()
    permit.settle(spent(120))
    assert money(gate) == (0, 300, 700)


# -- addresses ------------------------------------------------------------------------------------


def test_a_url_names_a_store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert isinstance(connect_store("memory:"), MemoryStore)
    assert connect_store("sqlite:///var/state.db").path == tmp_path / "var/state.db"
    assert str(connect_store("sqlite:////tmp/state.db").path) == "/tmp/state.db"
    assert repr(connect_store("sqlite:////tmp/s.db")) == "SQLiteStore('/tmp/s.db')"


@pytest.mark.parametrize("url", ["", "memory", "sqlite:", "sqlite:///", "sqlite:///:memory:", "x"])
def test_another_url_names_none(url):
    with pytest.raises(ValueError, match=r"^store: the URL must be memory: or sqlite:///"):
        connect_store(url)


def test_nothing_is_opened_before_the_first_call(open_store, place):
    store = open_store()
    budget(store)
    limiter(store)
    store.close()
    assert not place.exists()


def test_a_store_of_memory_forgets_and_can_be_closed(clock):
    store = MemoryStore(clock=clock)
    admitted(budget(store), cost(1000))
    admitted(limiter(store), cost(1000))
    store.close()
    admitted(budget(store), cost(1000))


def test_only_the_owner_may_read_who_owns(open_store, place):
    admitted(budget(open_store()), cost(1)).cancel()
    (owner,) = place.parent.glob("state.db-owner-*")
    assert re.fullmatch(r"state\.db-owner-[0-9a-f]{12}", owner.name)
    assert owner.stat().st_mode & 0o077 == 0


def test_a_commit_is_in_the_file_without_any_goodbye(open_store, place):
    """Another connection sees it while ours is still open: nothing waits in this process."""
    admitted(budget(open_store()), cost(7)).settle(spent(7))
    assert '"spent": 7' in rows(place)[0][2]
    with closing(sqlite3.connect(place)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert place.with_name("state.db-wal").stat().st_size
