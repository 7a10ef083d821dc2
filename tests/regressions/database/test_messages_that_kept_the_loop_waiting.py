"""Whether a long message ended a transaction took a time that grew with the square of its length.

Messages of more than ten thousand characters are taken for the worst; nobody reads them closely.
"""

import time

import pytest

from koo.database.scope import Scope

LONG = {
    "open dollar tags": "SELECT 1; " + " ".join(f"$a{number}$" for number in range(20_000)),
    "open comments": "SELECT 1; " + ";/* x" * 20_000,
    "comments before it": "/* a */ " * 20_000 + "SELECT 1",
    "a script": "INSERT INTO t VALUES ('a; b');\n" * 20_000,
    "settings": "SET x = 1; " * 20_000,
}


@pytest.mark.parametrize("message", LONG.values(), ids=LONG)
@pytest.mark.parametrize("note", ["note_question", "note_message", "note_mysql_message"])
def test_a_long_message_is_understood_at_once(message, note):
    scope = Scope(None, only_reads=True, witness=object(), is_open=True)
    began = time.process_time()
    getattr(scope, note)(message, None)
    scope.note_answer(message)
    assert time.process_time() - began < 1


def test_a_long_message_of_several_statements_may_have_committed():
    scope = Scope(None)
    assert scope.note_message(LONG["a script"], None)
    assert scope.is_partly_done


def test_a_long_statement_alone_has_not():
    scope = Scope(None)
    assert not scope.note_message("INSERT INTO t VALUES ('" + "x" * 20_000 + "')", None)
    assert not scope.is_partly_done
