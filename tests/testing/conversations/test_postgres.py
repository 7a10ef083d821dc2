"""The phases of a conversation, read from its bytes."""

import struct

import pytest

from koo.testing import Phase
from koo.testing.conversations import PostgresConversation

STARTUP = struct.pack("!II", 8, 196_608)
TLS_REQUEST = struct.pack("!II", 8, 80_877_103)
CANCEL_REQUEST = struct.pack("!IIII", 16, 80_877_102, 1, 2)


def message(kind, body):
    return kind + struct.pack("!I", 4 + len(body)) + body


def query(text):
    return message(b"Q", text + b"\0")


def parse(text, name=b""):
    return message(b"P", name + b"\0" + text + b"\0" + b"\0\0")


def bind(name=b""):
    return message(b"B", b"\0" + name + b"\0" + b"\0\0\0\0\0\0")


EXECUTE = message(b"E", b"\0" + struct.pack("!I", 0))
SYNC = message(b"S", b"")


@pytest.fixture
def started():
    conversation = PostgresConversation()
    assert conversation.ask(STARTUP) == (Phase.AUTH,)
    return conversation


def test_asking_for_tls_or_for_a_cancellation_is_no_phase():
    conversation = PostgresConversation()
    assert conversation.ask(TLS_REQUEST) == ()
    assert conversation.ask(STARTUP) == (Phase.AUTH,)
    assert PostgresConversation().ask(CANCEL_REQUEST) == ()


@pytest.mark.parametrize(
    ("text", "phase"),
    [
        (b"BEGIN", Phase.BEGIN),
        (b"begin;", Phase.BEGIN),
        (b"BEGIN ISOLATION LEVEL SERIALIZABLE;", Phase.BEGIN),
        (b"COMMIT;", Phase.COMMIT_REQUEST),
        (b"ROLLBACK", Phase.ROLLBACK),
        (b"FETCH FORWARD 10 FROM c", Phase.FETCH),
        (b" SELECT 1 ", Phase.PING),
        (b";", Phase.PING),
        (b"", Phase.PING),
        (b"SELECT 2", Phase.STATEMENT),
        (b"INSERT INTO commit VALUES (1)", Phase.STATEMENT),
        (b"SELECT koo.commit_token('" + b"0" * 32 + b"');COMMIT;", Phase.COMMIT_REQUEST),
        (b"SELECT 2 AS commit", Phase.STATEMENT),
    ],
)
def test_a_statement_is_told_by_its_first_word_and_a_commit_by_its_last(started, text, phase):
    assert started.ask(query(text)) == (phase,)
    assert started.ask(parse(text) + SYNC) == (phase,)


def test_a_prepared_statement_is_remembered_by_its_name(started):
    started.ask(parse(b"SELECT 1", b"ping") + parse(b"SELECT 2", b"work"))
    assert started.ask(bind(b"ping") + SYNC) == (Phase.PING,)
    assert started.ask(bind(b"work") + SYNC) == (Phase.STATEMENT,)
    assert started.ask(bind(b"unheard of")) == (Phase.STATEMENT,)


def test_rows_are_fetched_by_whoever_executes_what_was_bound_before(started):
    assert started.ask(parse(b"SELECT 2") + bind() + EXECUTE + SYNC) == (Phase.STATEMENT,) * 2
    assert started.ask(bind() + SYNC) == (Phase.STATEMENT,)
    assert started.ask(EXECUTE + SYNC) == (Phase.FETCH,)
    assert started.ask(EXECUTE + SYNC) == (Phase.FETCH,)


def test_the_good_bye_is_a_phase(started):
    assert started.ask(query(b"ROLLBACK") + message(b"X", b"")) == (Phase.ROLLBACK, Phase.CLOSE)


def test_only_the_first_answer_to_a_commit_is_its_reply(started):
    assert started.answer() == ()
    started.ask(query(b"COMMIT"))
    assert started.answer() == (Phase.COMMIT_REPLY,)
    assert started.answer() == ()


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 50])
def test_a_message_may_come_in_pieces(started, size):
    said = query(b"BEGIN") + query(b"SELECT '" + b"x" * 100 + b"BEGIN'") + query(b"COMMIT")
    pieces = [said[at : at + size] for at in range(0, len(said), size)]
    heard = [phase for piece in pieces for phase in started.ask(piece)]
    assert heard == [Phase.BEGIN, Phase.STATEMENT, Phase.COMMIT_REQUEST]
