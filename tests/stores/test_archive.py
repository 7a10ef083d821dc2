"""Records beside the gates, in one file: of one make, and all or nothing."""

import sqlite3

import pytest

from koo.resilience import Ask, DailyBudgetConfig, Permit
from koo.stores import Archive, SQLiteStore, StoreError
from koo.testing import FakeClock

SCHEMA = "CREATE TABLE IF NOT EXISTS notes (word TEXT)"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "state.db"


@pytest.fixture
def archive(path):
    archive = Archive(path)
    archive.prepare(SCHEMA)
    return archive


def words(archive):
    return [word for (word,) in archive.read("SELECT word FROM notes ORDER BY word")]


def test_what_is_written_is_read_by_others(archive, path):
    assert archive.change("INSERT INTO notes VALUES (?)", "one") == 1
    with archive.write() as transaction:
        transaction.change_all("INSERT INTO notes VALUES (?)", [("two",), ("three",)])
        assert transaction.change("DELETE FROM notes WHERE word = ?", "one") == 1
        assert transaction.read("SELECT count(*) FROM notes") == [(2,)]
    assert words(Archive(path)) == ["three", "two"]


def test_a_transaction_that_raises_has_never_been(archive):
    def write_and_fail():
        with archive.write() as transaction:
            transaction.change("INSERT INTO notes VALUES ('lost')")
            raise KeyError

    with pytest.raises(KeyError):
        write_and_fail()
    assert words(archive) == []


@pytest.mark.parametrize("first", ["gates", "records"])
def test_gates_and_records_share_a_file_whoever_makes_it(path, first):
    archive, store = Archive(path), SQLiteStore(path)
    budget = store.budget("dep", DailyBudgetConfig(10))
    if first == "gates":
        assert isinstance(budget.admit(Ask(nanousd=3)), Permit)
    archive.prepare(SCHEMA)
    archive.change("INSERT INTO notes VALUES ('here')")
    assert isinstance(budget.admit(Ask(nanousd=3)), Permit)
    assert words(archive) == ["here"]
    store.close()


def test_a_file_of_another_program_is_left_alone(path):
    path.parent.mkdir()
    with sqlite3.connect(path) as foreign:
        foreign.execute("CREATE TABLE theirs (word TEXT)")
    archive = Archive(path)
    archive.prepare(SCHEMA)
    with pytest.raises(StoreError, match="belongs to another program"):
        words(archive)


def test_a_wrong_statement_is_a_sentence_without_the_statement(archive):
    with pytest.raises(StoreError) as refused:
        archive.change("INSERT INTO nowhere VALUES ('secret')")
    assert "secret" not in str(refused.value)
    assert str(refused.value).startswith("state.db can't be used")


def test_it_says_where_it_is(archive, path):
    assert repr(archive) == f"Archive({str(path)!r})"


def read_nothing(archive):
    with pytest.raises(StoreError):
        archive.read("SELECT word FROM nowhere")


def test_what_failed_is_trouble_until_its_like_goes_well(archive):
    assert archive.trouble is None
    read_nothing(archive)
    assert archive.trouble == "state.db can't be used (SQLITE_ERROR)"
    archive.change("INSERT INTO notes VALUES ('written')")
    assert archive.trouble is not None, "that it can be written says nothing of reading"
    assert words(archive) == ["written"]
    assert archive.trouble is None


def test_a_transaction_that_fails_is_trouble_and_one_that_its_user_breaks_off_is_none(archive):
    with pytest.raises(KeyError), archive.write():
        raise KeyError
    assert archive.trouble is None
    with pytest.raises(StoreError):
        archive.change("INSERT INTO nowhere VALUES ('lost')")
    assert archive.trouble is not None


def test_what_nobody_has_tried_again_for_a_minute_is_no_trouble_any_more(path):
    clock = FakeClock()
    archive = Archive(path, clock=clock)
    read_nothing(archive)
    clock.advance(59)
    assert archive.trouble is not None
    clock.advance(1)
    assert archive.trouble is None
