"""How an alert begins, lasts and ends, and what is told of it."""

from dataclasses import replace

import pytest

from koo.monitoring import Above, AlertState, Memory, Now, Rule, Sample, Severity, judge
from koo.resilience import Health

RULE = Rule(
    kind="thing",
    name="hot",
    severity=Severity.WARNING,
    title="Hot",
    what="it is hot",
    advice="open a window",
    runbook="docs/runbooks.md#hot",
    when=(Above("heat", 10, 8),),
)


class Thermometer:
    """A thing whose heat is judged by one rule, second after second."""

    def __init__(self, **rule):
        self.rules = [replace(RULE, **rule)]
        self.at, self.memory, self.told = 0.0, Memory(), []

    def show(self, *heats, every=1.0):
        """The states shown while the thing is so hot; None where nothing is."""
        return [self._step(heat, every) for heat in heats]

    def _step(self, heat, every):
        self.at += every
        now = Now(self.at, 1000 + self.at)
        numbers = {} if heat is None else {"heat": heat}
        samples = [Sample(component="oven", kind="thing", numbers=numbers)]
        judgement = judge(self.rules, samples, now, self.memory)
        self.memory = judgement.memory
        self.told += [event.alert.state.value for event in judgement.events]
        states = [alert.state.value for alert in judgement.alerts if alert.id == "oven:hot"]
        return states[0] if states else None


def test_what_holds_fires_and_what_ends_is_resolved():
    thing = Thermometer()
    assert thing.show(9, 10, 0) == [None, "firing", None]
    assert thing.told == ["firing", "resolved"]


def test_it_clears_at_another_limit_than_it_fires_at():
    assert Thermometer().show(9, 10, 9, 8, 7.9, 9) == [
        None, "firing", "firing", "firing", None, None,
    ]  # fmt: skip


def test_what_must_last_is_pending_first():
    thing = Thermometer(hold=2)
    assert thing.show(10, 10, 10) == ["pending", "pending", "firing"]
    assert thing.told == ["pending", "firing"]


def test_a_pending_alert_that_goes_leaves_nothing():
    thing = Thermometer(hold=2)
    thing.show(10, 10, 0, 10, 10)
    assert thing.told == ["pending", "pending"]


def test_it_is_over_only_when_it_has_been_quiet_for_a_while():
    thing = Thermometer(keep=3)
    assert thing.show(10, 0, 0, 0) == ["firing", None, None, None]
    assert thing.told == ["firing"]
    thing.show(0)
    assert thing.told == ["firing", "resolved"]


def test_what_comes_back_meanwhile_goes_on_and_is_not_told_again():
    thing = Thermometer(keep=3, hold=1)
    thing.show(10, 10)
    [before] = thing.memory.standing
    thing.show(0, 0, 10)
    [after] = thing.memory.standing
    assert (before.since, before.id) == (after.since, after.id)
    assert thing.told == ["pending", "firing"]


def test_a_number_that_is_gone_holds_no_longer():
    thing = Thermometer()
    thing.show(10, None)
    assert thing.told == ["firing", "resolved"]


def test_a_component_that_is_gone_is_told_to_be_over():
    thing = Thermometer()
    thing.show(10)
    judgement = judge(thing.rules, [], Now(2, 1002), thing.memory)
    [event] = judgement.events
    assert event.alert.state is AlertState.RESOLVED
    assert event.at == 1002
    assert judgement.memory == replace(
        Memory(), fires={"oven:hot": (1.0,)}, recoveries=judgement.memory.recoveries
    )


def test_a_rule_that_is_gone_is_told_to_be_over():
    thing = Thermometer()
    thing.show(10)
    thing.rules = []
    thing.show(10)
    assert thing.told == ["firing", "resolved"]


def test_an_end_says_what_it_was():
    thing = Thermometer()
    thing.show(10)
    [event] = judge([], [], Now(62, 1062), thing.memory).events
    assert event.alert.message == (
        "oven: over at 00:17:42 UTC, it was: hot, since 00:16:41 UTC; nothing to do"
    )


def test_what_flaps_is_told_four_times_and_then_goes_on():
    thing = Thermometer()
    thing.show(*[10, 0] * 100)
    assert thing.told == ["firing", "resolved"] * 3 + ["firing"]


def test_what_flapped_is_over_when_that_is_ten_minutes_ago():
    thing = Thermometer()
    thing.show(*[10, 0] * 4)
    assert thing.told[-1] == "firing"
    thing.show(*[0] * 592)
    assert thing.told[-1] == "firing"
    thing.show(0)
    assert thing.told == ["firing", "resolved"] * 4


def test_one_flap_more_is_needed():
    thing = Thermometer()
    thing.show(*[10, 0] * 3)
    assert thing.told == ["firing", "resolved"] * 3


def test_a_rule_about_other_kinds_says_nothing():
    thing = Thermometer(kind="engine")
    assert thing.show(10) == [None]


@pytest.mark.parametrize("general", ["other", "*"])
@pytest.mark.parametrize("turned", [False, True])
def test_a_rule_for_a_kind_takes_the_place_of_a_more_general_one_of_its_name(general, turned):
    own = replace(RULE, kind="queue", severity=Severity.INFO, when=(Above("depth", 9),))
    wide = replace(own, kind=general, severity=Severity.CRITICAL, when=(Above("depth", 5),))
    rules = (wide, own) if turned else (own, wide)

    def told(kind, depth):
        sample = Sample(component="it", kind=kind, numbers={"depth": depth})
        judgement = judge(rules, [sample], Now(0.0, 0.0), Memory())
        return [alert.severity for alert in judgement.alerts]

    assert (told("queue", 7), told("queue", 10)) == ([], [Severity.INFO])
    assert told("mailbox", 7) == [Severity.CRITICAL]


def test_a_rule_does_not_hold_while_something_excuses_it():
    rule = replace(RULE, unless=("summer",))
    for summer, rings in ((0, 1), (1, 0)):
        sample = Sample(component="oven", kind="thing", numbers={"heat": 11, "summer": summer})
        assert len(judge([rule], [sample], Now(0, 0), Memory()).alerts) == rings


def test_a_jump_of_the_wall_clock_neither_fires_nor_resolves():
    memory = Memory()
    rule = replace(RULE, hold=60, keep=60)
    sample = Sample(component="oven", kind="thing", numbers={"heat": 11})
    told = []
    for second, wall in enumerate((0, 5000, -9000, 3)):
        judgement = judge([rule], [sample], Now(second, wall), memory)
        memory = judgement.memory
        told += [event.alert.state for event in judgement.events]
    assert told == [AlertState.PENDING]


# -- recovery -------------------------------------------------------------------------------------


def test_what_recovered_is_news_for_five_minutes(made):
    watch = made.Watch()
    watch.see(made.database(Health.CIRCUIT_OPEN))
    [news] = watch.see(made.database(), after=12)
    assert (news.id, news.severity) == ("database:recovered", Severity.INFO)
    assert news.state is AlertState.RESOLVED
    assert news.cause == "It was: database circuit open, since 22:13:20 UTC"
    assert watch.see(made.database(), after=299) == (news,)
    assert watch.see(made.database(), after=1) == ()


def test_recovering_is_not_yet_recovered(made):
    watch = made.Watch()
    watch.see(made.database(Health.CIRCUIT_OPEN))
    after = watch.see(made.database(Health.DEGRADED), after=1)
    assert [alert.id for alert in after] == ["database:degraded"]


def test_a_queue_at_the_moment_of_recovery_does_not_hide_it(made):
    """When a database comes back everybody wants a connection at once."""
    watch = made.Watch()
    watch.see(made.database(Health.CIRCUIT_OPEN))
    after = watch.see(made.database(readings={"pool.waiting": 9}), after=1)
    assert [alert.id for alert in after] == ["database:recovered", "database:pool-near"]


def test_new_trouble_ends_the_news_of_recovery(made):
    watch = made.Watch()
    watch.see(made.database(Health.CIRCUIT_OPEN))
    watch.see(made.database(), after=1)
    again = watch.see(made.database(Health.CIRCUIT_OPEN), after=1)
    assert [alert.id for alert in again] == ["database:circuit-open"]


def test_recovery_names_the_worst_that_was(made):
    watch = made.Watch()
    report = made.database(Health.CIRCUIT_OPEN, readings={"pool.oldest_checkout": 99})
    watch.see(report)
    assert len(watch.see(report, after=10)) == 2
    [news] = watch.see(made.database(), after=10)
    assert "database circuit open" in news.cause


def test_the_end_of_good_news_is_no_recovery():
    thing = Thermometer(severity=Severity.INFO)
    thing.show(10, 0)
    assert thing.memory.recoveries == {}


# -- since ----------------------------------------------------------------------------------------


def test_an_alert_keeps_its_beginning_while_it_lasts(made):
    watch = made.Watch()
    watch.see(made.database(Health.UNHEALTHY))
    [later] = watch.see(made.database(Health.UNHEALTHY), after=60)
    assert later.since == made.NOW


def test_an_outage_that_came_back_within_a_minute_began_with_its_first_trouble(made):
    watch = made.Watch()
    watch.see(made.database(Health.CIRCUIT_OPEN, since=made.NOW))
    watch.see(made.database(since=made.NOW + 30), after=30)
    [alert] = watch.see(made.database(Health.CIRCUIT_OPEN, since=made.NOW + 60), after=30)
    assert alert.since == made.NOW


def test_an_outage_after_a_quiet_minute_is_another(made):
    watch = made.Watch()
    watch.see(made.database(Health.CIRCUIT_OPEN, since=made.NOW))
    watch.see(made.database(since=made.NOW + 30), after=30)
    watch.see(made.database(since=made.NOW + 30), after=60)
    [alert] = watch.see(made.database(Health.CIRCUIT_OPEN, since=made.NOW + 100), after=10)
    assert alert.since == made.NOW + 100


def test_two_services_have_two_outages(made):
    watch = made.Watch()
    first = made.service("a", Health.CIRCUIT_OPEN, since=made.NOW - 9)
    watch.see(first)
    shown = watch.see(first, made.service("b", Health.DEGRADED, since=made.NOW + 1), after=1)
    assert [alert.since - made.NOW for alert in shown] == [-9, 1]
