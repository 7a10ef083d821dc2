"""The arithmetic of places, step by step beside an oracle that keeps a list of everything."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from koo.database.pool.places import Places


def filled(most=3, idle=0, **options):
    places = Places(most, options.pop("max_waiting", 10))
    for number in range(idle):
        places.dialing += 1
        places.arrive(f"c{number}")
    return places


def test_the_connection_that_came_back_last_is_lent_first():
    places = filled(idle=3)
    assert [places.borrow() for _ in range(4)] == ["c2", "c1", "c0", None]
    assert (places.lent, places.room) == (3, 0)


def test_who_waits_is_served_in_the_order_of_arrival():
    places = filled(idle=1)
    lent = places.borrow()
    assert all(places.join(name) for name in "abc")
    assert [places.come_back(lent) for _ in range(4)] == ["a", "b", "c", None]
    assert places.idle == [lent]


def test_a_newcomer_does_not_overtake_the_line():
    places = filled(idle=1)
    places.join("a")
    assert places.borrow() is None
    assert places.spare() == "c0"
    assert places.pass_on("c0") == "a"


def test_nobody_looks_at_an_idle_connection_when_enough_are_under_way():
    places = filled(idle=2)
    places.join("a")
    assert places.spare() == "c1"
    assert places.spare() is None


def test_who_leaves_the_line_is_never_served():
    places = filled(idle=1)
    lent = places.borrow()
    places.join("a")
    places.join("b")
    places.leave("a")
    places.leave("a")
    assert places.waiting == 1
    assert places.come_back(lent) == "b"


def test_the_line_is_bounded_beyond_those_for_whom_there_is_a_place():
    places = filled(most=2, idle=1, max_waiting=1)
    places.borrow()
    assert places.join("dialed for")
    assert places.join("waits")
    assert not places.join("one too many")
    assert places.waiting == 2


def test_a_pause_serves_nobody_and_what_was_idle_is_looked_at_after_it():
    places = filled(idle=2)
    places.is_paused = True
    assert places.borrow() is None
    places.join("a")
    assert places.spare() is None
    places.dialing += 1
    assert places.arrive("c2") is None
    assert places.spare() is None
    places.is_paused = False
    assert places.spare() == "c2"
    assert places.pass_on("c2") == "a"
    assert places.spare() is None


def test_a_closing_connection_keeps_its_place_until_it_is_gone():
    places = filled(most=1, idle=1)
    places.retire("c0")
    assert (places.room, places.usable) == (0, 0)
    places.closing -= 1
    assert places.room == 1


class PlacesMachine(RuleBasedStateMachine):
    """Every connection by name in one dictionary, the line a list: too slow to be wrong."""

    @initialize(most=st.integers(1, 6), max_waiting=st.integers(0, 4))
    def begin(self, most, max_waiting):
        self.places = Places(most, max_waiting)
        self.most, self.max_waiting = most, max_waiting
        self.is_paused = False
        self.where = {}
        self.stack, self.line = [], []
        self.number = 0

    def fresh(self):
        self.number += 1
        return self.number

    def named(self, place):
        return [name for name, found in self.where.items() if found == place]

    def count(self, *places):
        return sum(len(self.named(place)) for place in places)

    def room(self):
        return self.most - len(self.where)

    def unserved(self):
        return max(0, len(self.line) - self.count("dialing", "checking"))

    @rule(is_paused=st.booleans())
    def pause(self, is_paused):
        self.places.is_paused = self.is_paused = is_paused

    def settled(self, name, served):
        if self.line and not self.is_paused:
            assert served == self.line.pop(0)
            self.where[name] = "lent"
        else:
            assert served is None
            self.where[name] = "idle"
            self.stack.append(name)

    @rule()
    def borrow(self):
        taken = self.places.borrow()
        if self.stack and not self.line and not self.is_paused:
            assert taken == self.stack.pop()
            self.where[taken] = "lent"
        else:
            assert taken is None

    @rule()
    def join(self):
        waiter = self.fresh()
        under_way = self.count("dialing", "checking") + max(0, self.room())
        fits = len(self.line) < self.max_waiting + under_way
        assert self.places.join(waiter) is fits
        if fits:
            self.line.append(waiter)

    @precondition(lambda self: self.line)
    @rule(data=st.data())
    def leave(self, data):
        waiter = data.draw(st.sampled_from(self.line))
        self.places.leave(waiter)
        self.line.remove(waiter)

    @rule()
    def spare(self):
        found = self.places.spare()
        if self.stack and self.unserved() and not self.is_paused:
            assert found == self.stack.pop()
            self.where[found] = "checking"
        else:
            assert found is None

    @precondition(lambda self: self.room() > 0)
    @rule()
    def dial(self):
        self.places.dialing += 1
        self.where[self.fresh()] = "dialing"

    @precondition(lambda self: self.where)
    @rule(data=st.data())
    def something_happens_to_one(self, data):
        name = data.draw(st.sampled_from(sorted(self.where)))
        getattr(self, self.where[name])(name, data.draw(st.integers(0, 2)))

    def dialing(self, name, luck):
        if luck:
            self.settled(name, self.places.arrive(name))
        else:
            self.places.dialing -= 1
            del self.where[name]

    def checking(self, name, luck):
        if luck == 1:
            self.places.reject()
            self.where[name] = "closing"
        elif luck:
            self.settled(name, self.places.pass_on(name))
        else:
            self.places.checking -= 1
            del self.where[name]

    def lent(self, name, luck):
        match luck:
            case 0:
                self.places.lent -= 1
                del self.where[name]
            case 1:
                self.places.part()
                self.where[name] = "closing"
            case _:
                self.settled(name, self.places.come_back(name))

    def idle(self, name, luck):
        self.stack.remove(name)
        if luck:
            self.places.retire(name)
            self.where[name] = "closing"
        else:
            self.places.look_at(name)
            self.where[name] = "checking"

    def closing(self, name, luck):
        self.places.closing -= 1
        del self.where[name]

    @rule(most=st.integers(1, 6))
    def resize(self, most):
        self.places.most = self.most = most

    @invariant()
    def both_agree(self):
        if not hasattr(self, "places"):
            return
        places = self.places
        for place in ("lent", "dialing", "checking", "closing"):
            assert getattr(places, place) == self.count(place)
        assert places.idle == self.stack
        assert list(places.line) == self.line
        assert places.waiting == len(self.line)
        assert places.room == max(0, self.room())
        assert places.taken == len(self.where)
        assert places.unserved == self.unserved()


@pytest.mark.properties
def test_places_agree_with_the_oracle():
    run_state_machine_as_test(
        PlacesMachine,
        settings=settings(max_examples=settings().max_examples, stateful_step_count=100),
    )
