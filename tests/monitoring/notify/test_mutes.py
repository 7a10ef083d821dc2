"""Silences, acknowledgements and inhibitions: what is no news, and that every end is told."""

import pytest

from koo.monitoring import Severity
from koo.monitoring.notify import Acknowledgement, Mutes, Silence


def silence(post, **more):
    terms = {
        "id": "s1", "starts": post.START, "ends": post.START + 100, "actor": "ann",
        "reason": "moving house",
    }  # fmt: skip
    return Silence(**terms | more)


def test_a_silence_mutes_while_it_lasts(post):
    box = post.Postbox(Mutes((silence(post),)), wait=10)
    assert box.stand(post.alert(), seconds=100) == []
    assert box.stand(post.alert(), seconds=20) == ["110 database:critical +database:circuit-open"]


def test_a_silence_that_has_not_begun_mutes_nothing(post):
    box = post.Postbox(Mutes((silence(post, starts=post.START + 50),)), wait=0)
    assert len(box.stand(post.alert())) == 1


@pytest.mark.parametrize(
    ("pattern", "muted"),
    [
        ({"component": "ai:*"}, True),
        ({"component": "ai:claude", "rule": "circuit-*"}, True),
        ({"component": "database"}, False),
        ({"rule": "unavailable"}, False),
        ({"component": "ai"}, False),
    ],
)
def test_a_silence_is_about_what_its_patterns_match(post, pattern, muted):
    box = post.Postbox(Mutes((silence(post, **pattern),)), wait=0)
    assert (box.stand(post.alert("ai:claude:circuit-open")) == []) is muted


def test_who_was_told_of_a_beginning_is_told_of_its_end_whatever_is_silenced(post):
    box = post.Postbox(wait=0, interval=30)
    box.stand(post.alert())
    box.mutes = Mutes((silence(post),))
    box.stand(post.alert(), seconds=30)
    assert box.stand(seconds=30) == ["31 database:critical -database:circuit-open"]


def test_news_of_another_does_not_make_a_silenced_alert_forgotten(post):
    box = post.Postbox(wait=0, interval=30)
    one, other = post.alert("ai:a:circuit-open"), post.alert("ai:b:circuit-open")
    box.stand(one)
    box.mutes = Mutes((silence(post, component="ai:a"),))
    assert box.stand(one, other, seconds=31) == [
        "30 ai:critical +ai:a:circuit-open +ai:b:circuit-open",
    ]  # fmt: skip
    assert box.stand(other, seconds=31) == ["60 ai:critical +ai:b:circuit-open -ai:a:circuit-open"]


def test_nobody_is_reminded_of_what_is_silenced(post):
    box = post.Postbox(wait=0, interval=10, repeat=10)
    box.stand(post.alert())
    box.mutes = Mutes((silence(post),))
    assert box.stand(post.alert(), seconds=90) == []


def test_nobody_is_reminded_of_what_somebody_has_seen(post):
    seen = Acknowledgement(id="database:circuit-open", at=post.START, actor="ann")
    box = post.Postbox(Mutes(acknowledgements=(seen,)), wait=0, interval=10, repeat=60)
    assert len(box.stand(post.alert(), seconds=500)) == 1
    assert len(box.stand(seconds=10)) == 1


def test_what_begins_anew_has_been_seen_by_nobody(post):
    seen = Acknowledgement(id="database:circuit-open", at=post.START - 900, actor="ann")
    box = post.Postbox(Mutes(acknowledgements=(seen,)), wait=0, interval=10, repeat=60)
    assert len(box.stand(post.alert(), seconds=61)) == 2


def test_the_graver_alert_is_told_alone(post):
    box = post.Postbox(wait=0)
    near = post.alert("database:pool-near", Severity.WARNING)
    exhausted = post.alert("database:pool-exhausted")
    assert box.stand(near, exhausted) == ["0 database:critical +database:pool-exhausted"]


def test_a_grave_alert_mutes_nothing_of_another_component(post):
    box = post.Postbox(wait=0)
    burn = post.alert("ai:b:budget-burn-fast")
    told = box.stand(post.alert("ai:a:circuit-open"), burn)
    assert told == ["0 ai:critical +ai:a:circuit-open +ai:b:budget-burn-fast"]


def test_the_lesser_alert_is_news_once_the_graver_is_over(post):
    box = post.Postbox(wait=0, interval=10)
    near = post.alert("database:pool-near", Severity.WARNING)
    box.stand(near, post.alert("database:pool-exhausted"))
    assert box.stand(near) == ["1 database:warning +database:pool-near"]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"ends": 0}, "silence: ends must be after starts, and some day"),
        ({"ends": float("inf")}, "silence: ends must be after starts, and some day"),
        ({"reason": " x "}, "silence: reason must say why in a few words"),
    ],
)
def test_a_silence_that_cannot_be_right_says_so_in_a_sentence(post, wrong, sentence):
    with pytest.raises(ValueError) as refused:
        silence(post, **wrong)
    assert str(refused.value) == sentence
