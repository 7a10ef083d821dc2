"""Who is told what, and when."""

import pytest

from koo.monitoring import AlertState, Severity
from koo.monitoring.notify import Book, RoutingConfig
from koo.monitoring.notify.routing import together


def test_the_first_news_of_a_group_waits_for_what_breaks_with_it(post):
    box = post.Postbox(wait=10)
    first, second = post.alert("ai:a:circuit-open"), post.alert("ai:b:circuit-open")
    assert box.stand(first, seconds=10) == []
    assert box.stand(first, second) == [
        "10 ai:critical +ai:a:circuit-open +ai:b:circuit-open",
    ]  # fmt: skip


def test_what_goes_before_it_was_told_is_told_to_nobody(post):
    box = post.Postbox(wait=10)
    box.stand(post.alert(), seconds=9)
    assert box.stand(seconds=1000) == []
    assert box.book == Book()


def test_what_still_fires_is_not_told_again(post):
    box = post.Postbox()
    assert len(box.stand(post.alert(), seconds=5000)) == 1


def test_an_end_is_told_after_the_interval(post):
    box = post.Postbox(wait=0, interval=300)
    box.stand(post.alert())
    assert box.stand(seconds=500) == ["300 database:critical -database:circuit-open"]
    _, message = box.sent[-1]
    assert message.resolved[0].state is AlertState.RESOLVED


def test_an_end_and_a_beginning_meet_in_one_message(post):
    box = post.Postbox(wait=0, interval=300)
    box.stand(post.alert("ai:a:circuit-open"))
    box.stand()
    assert box.stand(post.alert("ai:b:circuit-open"), seconds=400) == [
        "300 ai:critical +ai:b:circuit-open -ai:a:circuit-open",
    ]  # fmt: skip


def test_what_ends_and_begins_again_between_two_messages_never_ended(post):
    box = post.Postbox(wait=0, interval=300)
    box.stand(post.alert(), seconds=10)
    box.stand(seconds=10)
    assert box.stand(post.alert(), seconds=400) == []


def test_a_group_that_is_through_is_still_quiet_for_its_interval(post):
    box = post.Postbox(wait=0, interval=300)
    box.stand(post.alert())
    box.stand(seconds=300)
    assert box.stand(post.alert(), seconds=400) == ["600 database:critical +database:circuit-open"]


def test_a_group_that_was_quiet_for_an_interval_is_forgotten(post):
    box = post.Postbox(wait=0, interval=300)
    box.stand(post.alert())
    box.stand(seconds=700)
    assert box.book == Book()


def test_a_critical_alert_does_not_wait_for_the_interval_of_a_warning(post):
    box = post.Postbox(wait=10, interval=300)
    near = post.alert("database:pool-near", Severity.WARNING)
    box.stand(near, seconds=20)
    assert box.stand(near, post.alert(), seconds=20) == [
        "30 database:critical +database:circuit-open"
    ]


def test_what_fires_for_hours_is_reminded_of(post):
    box = post.Postbox(wait=0, interval=300, repeat=3600)
    told = box.stand(post.alert(), seconds=7300)
    assert [line.partition(" ")[0] for line in told] == ["0", "3600", "7200"]


def test_a_pending_alert_is_no_news(post):
    pending = post.replace(post.alert(), state=AlertState.PENDING)
    assert post.Postbox().stand(pending, seconds=500) == []


def test_the_most_urgent_is_named_first(post):
    box = post.Postbox(wait=0)
    young = post.alert("ai:a:unavailable", since=post.START)
    old = post.alert("ai:b:unavailable", since=post.START - 99)
    assert box.stand(old, young) == ["0 ai:critical +ai:a:unavailable +ai:b:unavailable"]


def test_after_a_start_nothing_is_over_until_it_is_known_what_fires(post):
    before = post.Postbox(wait=0)
    before.stand(post.alert())
    box = post.Postbox(book=Book(before.book.groups, ends_from=400), wait=0)
    assert box.stand(seconds=500) == ["400 database:critical -database:circuit-open"]


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"wait": -1}, "RoutingConfig: wait must be a number of seconds"),
        ({"interval": float("inf")}, "RoutingConfig: interval must be a number of seconds"),
        ({"repeat": 10}, "RoutingConfig: repeat must not be shorter than interval"),
    ],
)
def test_a_routing_that_cannot_be_right_says_so_in_a_sentence(config, sentence):
    with pytest.raises(ValueError) as refused:
        RoutingConfig(**config)
    assert str(refused.value) == sentence


def test_what_stands_in_several_processes_stands_once_since_it_began_first(post):
    late, early = post.alert(since=post.START + 9), post.alert(since=post.START)
    other = post.alert("ai:a:circuit-open")
    assert together([late], [early, other]) == together([other, early], [late])
    assert together([late], [early, other]) == (early, other)
