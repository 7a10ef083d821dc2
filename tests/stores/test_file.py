"""The file: what can be wrong with it is refused in one sentence, and nothing is forgotten."""

import re
import sqlite3
from contextlib import closing

import pytest

from koo.errors import Rejected, StoreUnavailable
from koo.resilience import MemoryStore
from koo.stores import SQLiteStore, connect_store

from .tools import (
    REST,
    admitted,
    budget,
    change,
    cost,
    fill,
    limiter,
    money,
    refused,
    rows,
    spent,
)

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


def test_who_meets_a_lock_waits_fifty_milliseconds_for_it_and_no_longer(open_store):
    """With the whole event loop: SQLite waits, in the connection's own words."""
    store = open_store()
    admitted(budget(store), cost(1)).cancel()
    assert store._file._connection.execute("PRAGMA busy_timeout").fetchone() == (50,)


def test_a_locked_file_lets_nobody_in_for_nothing_either(open_store, locked):
    """What such a call comes to cost could not be booked."""
    gate = budget(open_store())
    locked()
    assert isinstance(refused(gate, cost(0)), StoreUnavailable)


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
    assert "was deleted" in gate.stats().trouble


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
