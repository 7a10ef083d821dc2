"""What people did stays, and stays as it was."""

import sqlite3

import pytest

from koo.monitoring import Action, AuditBook
from koo.stores import Archive, StoreError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.db"


@pytest.fixture
def book(path):
    return AuditBook(Archive(path))


def action(number=0, **more):
    return Action(at=float(number), component="database", action="reset", actor="ann", **more)


async def test_a_line_is_what_was_done(book):
    whole = action(
        address="127.0.0.1", reason="server is back", before="circuit_open", after="healthy"
    )
    await book.append(whole)
    [entry] = await book.entries(10)
    assert (entry.id, entry.action) == (1, whole)


async def test_lines_come_newest_first_page_by_page(book):
    for number in range(5):
        await book.append(action(number))
    first = await book.entries(2)
    second = await book.entries(2, before=first[-1].id)
    assert [entry.action.at for entry in (*first, *second)] == [4, 3, 2, 1]


async def test_they_outlive_the_process_and_are_one_list_for_several(book, path):
    await book.append(action(1))
    other = AuditBook(Archive(path))
    await other.append(action(2))
    assert [entry.action.at for entry in await book.entries(9)] == [2, 1]


@pytest.mark.parametrize(
    "statement", ["DELETE FROM koo_actions", "UPDATE koo_actions SET actor = 'bob'"]
)
async def test_no_statement_takes_a_line_away_or_changes_it(book, path, statement):
    await book.append(action())
    with sqlite3.connect(path) as other, pytest.raises(sqlite3.Error, match="append-only"):
        other.execute(statement)
    assert [entry.action.actor for entry in await book.entries(9)] == ["ann"]


async def test_a_file_that_cannot_be_had_is_a_sentence(tmp_path):
    book = AuditBook(Archive(tmp_path))
    with pytest.raises(StoreError, match="can't be opened"):
        await book.append(action())
