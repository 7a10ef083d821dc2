"""Letters on their way: claimed by one, sent at least once, in order, and never silently lost."""

import sqlite3

import pytest

from koo.monitoring import Now
from koo.monitoring.notify import Book, Group, Message, Outbox
from koo.stores import Archive, StoreError

NOW = Now(5.0, 1000.0)


@pytest.fixture
def outbox(tmp_path):
    return Outbox(Archive(tmp_path / "state.db"))


@pytest.fixture
def message(post):
    return Message("database:critical", 1000.0, (post.alert(),), (post.alert("database:x"),))


def put(outbox, *messages, channels=("hook",)):
    assert outbox.post(channels, messages, Book(), NOW, courier="me")


def test_a_letter_is_what_was_posted(outbox, message):
    put(outbox, message)
    letter = outbox.claim("hook", 1000, 30)
    assert (letter.message, letter.posted, letter.attempt) == (message, 1000, 1)


def test_each_channel_gets_its_own(outbox, message):
    put(outbox, message, channels=("hook", "chat"))
    assert outbox.claim("hook", 1000, 30).channel == "hook"
    assert outbox.claim("chat", 1000, 30).channel == "chat"
    assert outbox.claim("mail", 1000, 30) is None


def test_a_claimed_letter_is_nobody_elses_until_the_lease_ends(outbox, message):
    put(outbox, message)
    outbox.claim("hook", 1000, 30)
    assert outbox.claim("hook", 1029, 30) is None
    assert outbox.claim("hook", 1030, 30).attempt == 2


def test_a_settled_letter_is_gone(outbox, message):
    put(outbox, message)
    outbox.settle(outbox.claim("hook", 1000, 30))
    assert outbox.claim("hook", 9999, 30) is None
    assert outbox.stats().waiting == 0


def test_a_postponed_letter_waits_until_it_is_due(outbox, message):
    put(outbox, message)
    outbox.postpone(outbox.claim("hook", 1000, 30), 1100, "HTTP 503")
    assert outbox.claim("hook", 1099, 30) is None
    assert outbox.claim("hook", 1100, 30)


def test_an_end_never_overtakes_its_beginning(outbox, message):
    put(outbox, message, Message("database:critical", 1001, (), message.firing))
    first = outbox.claim("hook", 1000, 30)
    assert outbox.claim("hook", 1000, 30) is None
    outbox.postpone(first, 2000, "HTTP 503")
    assert outbox.claim("hook", 1999, 30) is None
    outbox.settle(outbox.claim("hook", 2000, 30))
    assert outbox.claim("hook", 2000, 30).message.resolved == message.firing


def test_groups_do_not_wait_for_one_another(outbox, message):
    put(outbox, message, Message("ai:warning", 1001, message.firing, ()))
    assert outbox.claim("hook", 1000, 30).message.group == "database:critical"
    assert outbox.claim("hook", 1000, 30).message.group == "ai:warning"


def test_a_dead_letter_is_kept_and_lets_others_pass(outbox, message):
    put(outbox, message, message)
    outbox.bury(outbox.claim("hook", 1000, 30), "HTTP 404")
    assert outbox.claim("hook", 1000, 30)
    stats = outbox.stats()
    assert (stats.waiting, stats.oldest, stats.dead) == (1, 1000, 1)


def test_what_was_told_is_known_after_a_restart(outbox, post, tmp_path):
    before = post.Postbox(wait=0, interval=300)
    before.stand(post.alert())
    outbox.post((), (), before.book, Now(0.0, post.START), courier="me")
    later = Now(7.0, post.START + 100)
    book = Outbox(Archive(tmp_path / "state.db")).book(later, 7.0 + 300)
    [group] = book.groups.values()
    assert dict(group.told) == {"database:circuit-open": post.alert()}
    assert (group.due, group.sent, book.ends_from) == (207.0, -93.0, 307.0)


def test_a_wall_clock_that_was_set_back_keeps_nobody_waiting(outbox, post):
    before = post.Postbox(wait=0, interval=300)
    before.stand(post.alert())
    outbox.post((), (), before.book, Now(0.0, post.START), courier="me")
    [group] = outbox.book(Now(7.0, post.START - 86_400), 307.0).groups.values()
    assert (group.due, group.sent) == (307.0, 7.0)


def test_a_group_that_was_only_heard_of_is_not_told(outbox, post):
    waiting = post.Postbox(wait=60)
    waiting.stand(post.alert())
    outbox.post((), (), waiting.book, NOW, courier="me")
    assert outbox.book(NOW, 0.0).groups == {}


def test_what_can_not_be_written_is_not_told_either(outbox, message, tmp_path):
    put(outbox, message)
    with sqlite3.connect(tmp_path / "state.db") as other:
        other.execute(
            "CREATE TRIGGER full BEFORE INSERT ON koo_told BEGIN SELECT raise(ABORT, 'full'); END"
        )
        other.commit()

    book = Book({"g": Group(0.0, {"database:x": message.firing[0]}, 0.0)})
    with pytest.raises(StoreError):
        outbox.post(("hook",), (message,), book, NOW, courier="me")
    assert outbox.stats().waiting == 1


# -- several couriers -----------------------------------------------------------------------------


def attend(outbox, courier, *standing, at=1000.0):
    attendance = outbox.attend(courier, standing, at, 10.0)
    return attendance.leads, [one.id for one in attendance.elsewhere]


def test_who_came_first_leads_and_knows_what_the_others_see(outbox, post):
    assert attend(outbox, "a", post.alert("database:x")) == (True, [])
    assert attend(outbox, "b", post.alert("database:y")) == (False, ["database:x"])
    assert attend(outbox, "a") == (True, ["database:y"])
    assert attend(outbox, "b") == (False, [])


def test_who_leaves_lets_the_next_lead(outbox):
    attend(outbox, "a")
    attend(outbox, "b")
    outbox.leave("a")
    assert attend(outbox, "b") == (True, [])
    assert attend(outbox, "a") == (False, [])


@pytest.mark.parametrize("away", [11, -3600])
def test_who_was_away_leads_no_more_whichever_way_the_clock_was_set(outbox, post, away):
    attend(outbox, "a", post.alert("database:x"))
    attend(outbox, "b")
    assert attend(outbox, "b", at=1000.0 + away) == (True, [])
    assert attend(outbox, "a", at=1000.0 + away) == (False, [])


def test_who_is_late_but_not_away_leads_on(outbox):
    attend(outbox, "a")
    attend(outbox, "b", at=1009)
    assert attend(outbox, "a", at=1010) == (True, [])


def test_who_leads_no_more_writes_nothing(outbox, message):
    attend(outbox, "a")
    attend(outbox, "b", at=1011)
    assert not outbox.post(("hook",), (message,), Book(), NOW, courier="a")
    assert outbox.stats().waiting == 0
    assert outbox.post(("hook",), (message,), Book(), NOW, courier="b")
