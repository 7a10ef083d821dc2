"""Telling what happened."""

from typing import get_args

import pytest

from koo import resilience
from koo.resilience import (
    LISTENER_ERRORS,
    Event,
    LimitPaused,
    StateChanged,
    fan_out,
    ignore,
    tell,
)

EVENT = LimitPaused("dep", 3.0)
PHOTOGRAPHS = [getattr(resilience, name) for name in resilience.__all__ if name.endswith("Stats")]


def broken(_):
    raise RuntimeError("the listener's own trouble")


def test_a_listener_hears_what_it_is_told():
    heard = []
    tell(heard.append, EVENT)
    assert heard == [EVENT]


def test_what_a_listener_raises_is_counted_and_dropped():
    before = LISTENER_ERRORS.value
    tell(broken, EVENT)
    assert LISTENER_ERRORS.value == before + 1


def test_a_listener_may_be_interrupted_by_the_user():
    def interrupted(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tell(interrupted, EVENT)


def test_listeners_are_safe_from_one_another():
    first, last = [], []
    before = LISTENER_ERRORS.value
    tell(fan_out(first.append, broken, last.append), EVENT)
    assert (first, last) == ([EVENT], [EVENT])
    assert LISTENER_ERRORS.value == before + 1


def test_nobody_has_to_listen():
    ignore(EVENT)
    tell(fan_out(), EVENT)


def test_an_event_is_a_value():
    assert StateChanged("dep", "closed", "open", "why") == StateChanged(
        "dep", "closed", "open", "why"
    )


@pytest.mark.parametrize("kind", [*get_args(Event), *PHOTOGRAPHS])
def test_what_happened_and_what_is_are_frozen_records(kind):
    assert kind.__dataclass_params__.frozen
    assert not hasattr(kind.__new__(kind), "__dict__")
