"""What holds of every history: no storm, one message per group and interval, every end is told.

A few components have a number each that moves up and down at odd times; rules with every
combination of limits, hold and keep judge them; what fires is told to people.
"""

from collections import defaultdict
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koo.monitoring import (
    Above,
    AlertState,
    Memory,
    Monitor,
    Now,
    Rises,
    Rule,
    Sample,
    Severity,
    judge,
)
from koo.monitoring.alerts.incident import FLAP_SPAN, FLAPS
from koo.monitoring.notify import Book, Mutes, RoutingConfig, Silence, decide
from koo.resilience import Health
from koo.testing import FakeClock

pytestmark = pytest.mark.properties

COMPONENTS = ("ai:a", "ai:b", "database")
SECONDS = st.sampled_from([0.5, 1.0, 7.0, 20.0, 61.0, 700.0])


def rule(name, severity, clear, hold, keep):
    return Rule(
        kind="*", name=name, severity=severity, title="T", what="w", advice="a", runbook="r",
        when=(Above("n", 5, clear),), hold=hold, keep=keep, outage="one" if hold else None,
    )  # fmt: skip


@st.composite
def rules(draw):
    """Up to four rules, with every kind of patience."""
    drawn = draw(
        st.lists(
            st.tuples(
                st.sampled_from(Severity),
                st.sampled_from([3.0, 5.0]),
                st.sampled_from([0.0, 5.0, 60.0]),
                st.sampled_from([0.0, 5.0, 60.0]),
            ),
            min_size=1,
            max_size=3,
        )
    )
    made = [rule(f"r{number}", *terms) for number, terms in enumerate(drawn)]
    flapping = Rule(
        kind="*", name="flaps", severity=Severity.WARNING, title="T", what="w", advice="a",
        runbook="r", when=(Rises("n", 3, 60.0),),
    )  # fmt: skip
    return [*made, flapping]


NUMBERS = st.dictionaries(st.sampled_from(COMPONENTS), st.sampled_from([0.0, 4.0, 6.0]))
# Some looks, so many seconds apart, seen again and again: what flaps, and what rests.
STRETCH = st.tuples(SECONDS, st.lists(NUMBERS, min_size=1, max_size=3), st.integers(1, 10))


@st.composite
def histories(draw):
    """Seconds and what is seen after them."""
    stretches = draw(st.lists(STRETCH, min_size=1, max_size=6))
    return [
        (seconds, numbers)
        for seconds, looks, times in stretches
        for _ in range(times)
        for numbers in looks
    ]


HISTORY = histories()


def samples_of(numbers):
    return [
        Sample(component=name, kind=name.partition(":")[0], numbers={"n": value} if value else {})
        for name, value in numbers.items()
    ]


class World:
    """A clock that the wall clock need not follow, and everything that came of a history."""

    def __init__(self, made_rules, config=None, mutes=None):
        self.rules = made_rules
        self.config = config or RoutingConfig(wait=10, interval=60, repeat=600)
        self.mutes = mutes or Mutes()
        self.clock = FakeClock()
        self.memory, self.book = Memory(), Book()
        self.events, self.messages = [], []

    def judge(self, numbers):
        return judge(self.rules, samples_of(numbers), Now.of(self.clock), self.memory)

    def step(self, seconds, numbers):
        self.clock.advance(seconds)
        judgement = self.judge(numbers)
        self.memory = judgement.memory
        self.events += [(self.clock.now, event.alert) for event in judgement.events]
        standing, now = self.memory.standing, Now.of(self.clock)
        self.book, messages = decide(self.config, standing, self.mutes, self.book, now=now)
        self.messages += [(self.clock.now, message) for message in messages]
        stands = {alert.id for alert in standing}
        assert all(alert.id not in stands for sent in messages for alert in sent.resolved)
        return judgement

    def live(self, history):
        for seconds, numbers in history:
            self.step(seconds, numbers)
        return self

    def calm(self):
        """Nothing happens for twenty minutes, looked at every five seconds."""
        for _ in range(240):
            self.step(5.0, {})
        return self


def lives(events):
    """What was told of each alert, in order."""
    told = defaultdict(list)
    for at, alert in events:
        told[alert.id].append((at, alert.state))
    return told


@given(rules(), HISTORY)
def test_every_beginning_has_one_end_and_every_end_a_beginning(made_rules, history):
    world = World(made_rules).live(history).calm()
    for told in lives(world.events).values():
        states = [state for _, state in told if state is not AlertState.PENDING]
        assert states[::2] == [AlertState.FIRING] * (len(states) // 2)
        assert states[1::2] == [AlertState.RESOLVED] * (len(states) // 2)
        assert len(states) % 2 == 0
    assert world.memory == Memory()


@given(rules(), HISTORY)
def test_nothing_begins_more_often_than_four_times_in_ten_minutes(made_rules, history):
    world = World(made_rules).live(history)
    for told in lives(world.events).values():
        fires = [at for at, state in told if state is AlertState.FIRING]
        for first, later in zip(fires, fires[FLAPS:], strict=False):
            assert later - first >= FLAP_SPAN


@given(rules(), HISTORY)
def test_what_has_not_lasted_does_not_fire(made_rules, history):
    world, hold = World(made_rules), {one.name: one.hold for one in made_rules}
    shown_since = {}
    for seconds, numbers in history:
        judgement = world.step(seconds, numbers)
        now = world.clock.now
        shown = {alert.id for alert in judgement.alerts}
        shown_since = {name: shown_since.get(name, now) for name in shown}
        for event in judgement.events:
            if event.alert.state is AlertState.FIRING:
                rule_name = event.alert.id.rpartition(":")[2]
                assert now - shown_since[event.alert.id] >= hold[rule_name]


@given(rules(), HISTORY)
def test_what_is_over_was_quiet_for_its_time(made_rules, history):
    world, keep = World(made_rules), {one.name: one.keep for one in made_rules}
    shown_at = {}
    for seconds, numbers in history:
        judgement = world.step(seconds, numbers)
        now = world.clock.now
        for event in judgement.events:
            if event.alert.state is AlertState.RESOLVED:
                rule_name = event.alert.id.rpartition(":")[2]
                assert now - shown_at[event.alert.id] >= keep[rule_name]
        shown_at |= {alert.id: now for alert in judgement.alerts}


@given(rules(), HISTORY)
def test_an_incident_has_one_beginning(made_rules, history):
    world = World(made_rules)
    began = {}
    for seconds, numbers in history:
        world.step(seconds, numbers)
        standing = {alert.id: alert.since for alert in world.memory.standing}
        assert all(began.get(name, since) == since for name, since in standing.items())
        began = standing


@given(rules(), HISTORY, st.data())
def test_looking_changes_nothing(made_rules, history, data):
    looked, alone = World(made_rules), World(made_rules)
    for seconds, numbers in history:
        strange = data.draw(NUMBERS)
        first, second = looked.judge(strange), looked.judge(strange)
        assert first == second
        looked.step(seconds, numbers)
        alone.step(seconds, numbers)
    assert looked.memory == alone.memory
    assert looked.events == alone.events
    assert looked.messages == alone.messages


@given(rules(), HISTORY)
def test_a_group_is_written_to_once_per_interval(made_rules, history):
    world = World(made_rules).live(history)
    sent = defaultdict(list)
    for at, message in world.messages:
        sent[message.group].append(at)
    for moments in sent.values():
        assert all(later - earlier >= 60 for earlier, later in pairwise(moments))


@given(rules(), HISTORY)
def test_people_are_told_every_end_of_what_they_were_told_and_no_other(made_rules, history):
    nights = Silence(
        id="s", component="ai:a", starts=FakeClock().epoch + 30, ends=FakeClock().epoch + 500,
        actor="ann", reason="moving",
    )  # fmt: skip
    world = World(made_rules, mutes=Mutes((nights,))).live(history).calm()
    told = {}
    for _, message in world.messages:
        for alert in message.resolved:
            assert told.pop(alert.id) is True
        for alert in message.firing:
            told[alert.id] = True
        assert message.firing or message.resolved
    assert told == {}
    assert world.book == Book()


@given(rules(), HISTORY)
def test_what_fires_long_enough_is_told(made_rules, history):
    world = World(made_rules).live(history)
    for _ in range(30):
        world.step(5.0, {"database": 6.0})
    said = {alert.id for _, message in world.messages for alert in message.firing}
    now = {alert.id for alert in world.memory.standing if alert.component == "database"}
    assert now <= said


@given(rules(), HISTORY, st.integers(-10_000, 10_000))
def test_a_stepped_wall_clock_moves_no_alert(made_rules, history, step):
    true, stepped = World(made_rules).live(history), World(made_rules)
    for number, (seconds, numbers) in enumerate(history):
        if number == len(history) // 2:
            stepped.clock.step_wall(step)
        stepped.step(seconds, numbers)
    assert [(at, a.id, a.state) for at, a in true.events] == [
        (at, a.id, a.state) for at, a in stepped.events
    ]


def test_a_thousand_failing_services_are_one_message(made):
    """They fail within ten seconds, half-open, and fail again."""
    clock = FakeClock()
    watch, book, messages = made.Watch(), Book(), []
    for number in range(6):
        state = Health.DEGRADED if number == 3 else Health.CIRCUIT_OPEN
        count = 300 if number == 0 else 1000
        watch.see(*(made.service(f"s{it}", state) for it in range(count)), after=9)
        clock.advance(9)
        now, standing = Now.of(clock), watch.memory.standing
        book, sent = decide(RoutingConfig(), standing, Mutes(), book, now=now)
        messages += sent
    assert [len(message.firing) for message in messages] == [1000]


def test_a_monitor_that_is_looked_at_all_the_time_remembers_the_same(made):
    class Component:
        name = "database"
        now = made.database()

        def report(self):
            return self.now

    clock, component = FakeClock(), Component()
    alone, watched = Monitor([component], clock=clock), Monitor([component], clock=clock)
    for state in (Health.CIRCUIT_OPEN, Health.DEGRADED, Health.CIRCUIT_OPEN, Health.HEALTHY):
        component.now = made.database(state, since=clock.time())
        for _ in range(50):
            watched.alerts()
            watched.dashboard()
        assert alone.observe() == watched.observe()
        clock.advance(30)
