"""The phases of a conversation with MySQL, read from its bytes."""

import pytest

from koo.testing import Phase
from koo.testing.conversations import MysqlConversation


def packet(body, place=0):
    return len(body).to_bytes(3, "little") + bytes([place]) + body


def query(text):
    return packet(b"\x03" + text)


@pytest.fixture
def started():
    conversation = MysqlConversation()
    assert conversation.answer() == ()
    assert conversation.ask(packet(b"\x85\xa6 my capabilities and name", 1)) == (Phase.AUTH,)
    return conversation


def test_what_else_is_said_for_the_login_is_no_phase(started):
    assert started.ask(packet(b"another proof", 3)) == ()
    assert started.ask(packet(b"and another", 1)) == ()


@pytest.mark.parametrize(
    ("text", "phase"),
    [
        (b"BEGIN", Phase.BEGIN),
        (b"start transaction", Phase.BEGIN),
        (b"COMMIT", Phase.COMMIT_REQUEST),
        (b"ROLLBACK", Phase.ROLLBACK),
        (b"SET TRANSACTION READ ONLY", Phase.SET),
        (b"SELECT 1", Phase.PING),
        (b"SELECT 2", Phase.STATEMENT),
        (b"INSERT INTO commit VALUES (1)", Phase.STATEMENT),
    ],
)
def test_a_statement_is_told_by_its_first_word(started, text, phase):
    assert started.ask(query(text)) == (phase,)
    assert started.ask(packet(b"\x16" + text)) == (phase,)


@pytest.mark.parametrize(
    ("command", "phases"),
    [
        (b"\x01", (Phase.CLOSE,)),
        (b"\x0e", (Phase.PING,)),
        (b"\x17\1\0\0\0", (Phase.STATEMENT,)),
        (b"\x02another database", ()),
        (b"", ()),
    ],
)
def test_some_commands_say_everything_by_their_number(started, command, phases):
    assert started.ask(packet(command)) == phases


def test_only_the_first_answer_to_a_commit_is_its_reply(started):
    assert started.answer() == ()
    started.ask(query(b"COMMIT"))
    assert started.answer() == (Phase.COMMIT_REPLY,)
    assert started.answer() == ()


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 50])
def test_a_message_may_come_in_pieces(started, size):
    said = query(b"BEGIN") + query(b"SELECT '" + b"x" * 700 + b"'") + query(b"COMMIT")
    pieces = [said[at : at + size] for at in range(0, len(said), size)]
    heard = [phase for piece in pieces for phase in started.ask(piece)]
    assert heard == [Phase.BEGIN, Phase.STATEMENT, Phase.COMMIT_REQUEST]
