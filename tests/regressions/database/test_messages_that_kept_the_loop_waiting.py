"""Whether a message ended a transaction took a time that grew with the square of its length.

Nobody reads more of it than ten thousand characters: what comes after them may be the worst.
"""

import time

import pytest

from koo.database.scope import Scope, of_mysql, of_one, of_several

READERS = {"one": of_one, "several": of_several, "mysql": of_mysql}
MOST = 10_000
# It takes some milliseconds; what grew with the square took a second.
AT_ONCE = 0.25
LONG = {
    "open dollar tags": "SELECT 1; " + " ".join(f"$a{number}$" for number in range(20_000)),
    "open comments": "SELECT 1; " + ";/* x" * 20_000,
    "comments before it": "/* a */ " * 20_000 + "SELECT 1",
    "a script": "INSERT INTO t VALUES ('a; b');\n" * 20_000,
    "settings": "SET x = 1; " * 20_000,
    "a literal": "/* so */ INSERT INTO t VALUES ('" + "x" * 2_000_000 + "')",
    "a query": "WITH x AS (SELECT " + "1, " * 700_000 + "1) SELECT 1",
    "blanks": " " * 2_000_000 + "x",
    "one setting": "SET STATEMENT a = 1 " + "FOR " * 500_000,
}
PIECES = [
    *(";/**/", ";SET ", ";/*", ";SET x autocommi ", ";START ", "/*", "*/", "/**/", ";-- \n"),
    *(";START x ", ";SET STATEMENT ", "FOR SET ", "FOR ANALYZE a ", "$a$", "$a", "(", ";/*!", "'"),
    *(";DROP OR REPLACE ", "; ", ";'", "$$;", "BEGIN READ ", "DROP  ", '"', "`", "\\", "#", "--"),
    *("read ", "only ", "WITH ", "INSERT ", "=", "* /", "ROLLBACK ", "ANALYZE ", "E'\\'' "),
]


def time_of(reader, message):
    return min(one_time_of(reader, message) for _ in range(3))


def one_time_of(reader, message):
    began = time.thread_time()
    reader(message)
    return time.thread_time() - began


@pytest.mark.parametrize("message", LONG.values(), ids=LONG)
@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_a_long_message_is_understood_at_once(message, reader):
    assert time_of(reader, message) < AT_ONCE


@pytest.mark.parametrize("before", ["", "/* a */ ", "/*", "SET STATEMENT ", "WITH ", "BEGIN "])
@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_so_is_one_that_is_as_long_as_can_be_read(before, reader):
    for piece in PIECES:
        message = (before + piece * MOST)[:MOST]
        assert time_of(reader, message) < AT_ONCE, piece


def test_a_long_message_of_several_statements_may_have_committed():
    scope, words = Scope(None), of_several(LONG["a script"])
    assert scope.ends_by(words)
    scope.note_end(words, None)
    assert scope.is_partly_done


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_a_long_statement_alone_has_not(reader):
    for message in ("INSERT INTO t VALUES ('" + "x" * 20_000 + "')", LONG["a query"]):
        assert not Scope(None, is_open=True).ends_by(reader(message))


@pytest.mark.parametrize(
    ("message", "reads"),
    [
        ("SELECT " + "1, " * 20_000 + "1", True),
        ("/* so */ SELECT " + "1, " * 20_000 + "1", True),
        (LONG["a query"], False),
        ("WITH x AS (SELECT 1) SELECT 1", True),
        ("PRAGMA " + "x" * 20_000, False),
    ],
)
def test_what_is_not_read_to_its_end_has_perhaps_written(message, reads):
    assert of_one(message).reads is reads


@pytest.mark.parametrize("before", [" ", "/**/", "-- so\n"])
@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_what_begins_far_behind_its_beginning_may_have_committed(before, reader):
    assert reader(before * 20_000 + "COMMIT").ends
    assert reader(before * 1_000 + "COMMIT").ends
    assert not reader(before * 1_000 + "SELECT 1").ends


@pytest.mark.parametrize("words", ["SET ", "SET STATEMENT a = 1 "])
def test_what_is_not_read_to_its_end_has_perhaps_committed(words):
    assert of_mysql(words + "x, " * 20_000).commits_first


def test_what_is_not_read_to_its_end_is_perhaps_read_only():
    assert of_one("INSERT INTO t VALUES ('only" + "x" * 20_000 + "')").locks
    assert not of_one("INSERT INTO t VALUES ('only')").locks
