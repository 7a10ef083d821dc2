"""A monitor looks, remembers alerts when told to, and touches nothing."""

import pytest

from koo.monitoring import Journal, Monitor
from koo.monitoring.history import History
from koo.monitoring.notify import Mutes, Silence
from koo.resilience import Health
from koo.testing import FakeClock, running_clock


class Component:
    """A component that counts who asks what of it."""

    def __init__(self, report):
        self.name = report.component
        self.now = report
        self.looks = self.checks = self.resets = 0

    def report(self):
        self.looks += 1
        return self.now

    async def check(self):
        self.checks += 1
        return self.now

    def reset(self):
        self.resets += 1


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def database(made):
    return Component(made.database())


@pytest.fixture
def claude(made):
    return Component(made.service())


@pytest.fixture
def monitor(database, claude, clock):
    return Monitor([database, claude], configuration=lambda: {"A": 1}, clock=clock)


def test_looking_asks_nobody_and_resets_nothing(monitor, database, claude):
    monitor.dashboard()
    monitor.system_health()
    monitor.service_healths()
    monitor.alerts()
    for component in (database, claude):
        assert (component.checks, component.resets) == (0, 0)
        assert component.looks > 0


def test_components_are_found_by_name_and_none_is_made(monitor, database, claude):
    assert monitor.database is database
    assert monitor.service("claude") is claude
    assert monitor.component("ai:claude") is claude
    assert monitor.service("gpt") is None
    assert monitor.service_healths().keys() == {"claude"}


def test_looking_twice_shows_the_same(monitor, database, made):
    database.now = made.database(Health.CIRCUIT_OPEN)
    monitor.observe()
    database.now = made.database()
    assert monitor.alerts() == monitor.alerts()
    assert [alert.id for alert in monitor.alerts()] == ["database:recovered"]


def test_only_what_was_observed_recovers(monitor, database, made):
    database.now = made.database(Health.CIRCUIT_OPEN)
    assert monitor.alerts()
    database.now = made.database()
    assert monitor.alerts() == ()


def test_what_people_are_told_of_stands_until_it_has_been_quiet(monitor, database, made, clock):
    database.now = made.database(Health.CIRCUIT_OPEN)
    monitor.observe()
    database.now = made.database()
    monitor.observe()
    assert [alert.id for alert in monitor.standing()] == ["database:circuit-open"]
    clock.advance(60)
    monitor.observe()
    assert monitor.standing() == ()


def test_who_listens_hears_of_each_change_once(database, made, clock):
    heard = []
    monitor = Monitor([database], on_alert=heard.append, clock=clock)
    database.now = made.database(Health.CIRCUIT_OPEN)
    for _ in range(3):
        monitor.alerts()
        monitor.observe()
    database.now = made.database()
    for _ in range(3):
        monitor.observe()
        clock.advance(60)
    assert [(event.alert.id, event.alert.state.value) for event in heard] == [
        ("database:circuit-open", "firing"),
        ("database:circuit-open", "resolved"),
    ]
    told = [(entry.what, entry.after) for entry in monitor.journal.entries()]
    assert told == [("critical alert", "resolved"), ("critical alert", "firing")]


def test_a_listener_that_fails_ends_no_watch(database, made, clock):
    from koo.resilience import LISTENER_ERRORS

    before = LISTENER_ERRORS.value
    monitor = Monitor([database], on_alert=[].pop, clock=clock)
    database.now = made.database(Health.CIRCUIT_OPEN)
    assert monitor.observe()
    assert LISTENER_ERRORS.value == before + 1


def test_the_detailed_status_has_the_configuration(monitor, database):
    status = monitor.detailed_status(database.now)
    assert status.configuration == {"A": 1}
    assert Monitor([database]).detailed_status(database.now).configuration == {}


def test_single_reports_are_shown_in_the_documented_shapes(monitor, database, claude):
    assert monitor.pool_metrics(database.now).pool_status.pool_size == 10
    assert monitor.database_health(database.now).healthy
    assert monitor.service_health(claude.now).service == "claude"
    assert [report.component for report in monitor.service_reports()] == ["ai:claude"]


def test_a_journal_comes_with_the_monitor_or_is_made(database):
    journal = Journal()
    assert Monitor([database], journal=journal).journal is journal
    assert Monitor([database]).journal.entries() == ()


async def test_watching_observes_every_second(database, made):
    import asyncio

    monitor = Monitor([database], clock=running_clock())
    watching = asyncio.create_task(monitor.watch())
    database.now = made.database(Health.CIRCUIT_OPEN)
    await asyncio.sleep(1.5)
    database.now = made.database()
    assert [alert.id for alert in monitor.alerts()] == ["database:recovered"]
    watching.cancel()


def test_a_component_that_comes_later_is_watched_too(database, made):
    monitor = Monitor([])
    assert monitor.alerts() == ()
    monitor.add(database)
    database.now = made.database(Health.CIRCUIT_OPEN)
    assert [alert.id for alert in monitor.alerts()] == ["database:circuit-open"]


def test_the_watchdog_fires_as_long_as_somebody_watches(database, made):
    clock = FakeClock()
    monitor = Monitor([database], clock=clock)
    assert monitor.heartbeat() == ()
    database.now = made.database(Health.CIRCUIT_OPEN)
    monitor.observe()
    clock.advance(10)
    beats = monitor.heartbeat()
    assert [alert.id for alert in beats] == ["database:circuit-open", "system:watchdog"]
    assert "watched since" in beats[-1].message
    clock.advance(0.1)
    assert monitor.heartbeat() == monitor.standing()


def test_what_is_silenced_is_shown_as_such(database, made):
    clock = FakeClock()
    terms = {"starts": clock.time(), "ends": clock.time() + 9, "actor": "ann", "reason": "moving"}
    mutes = Mutes((Silence(id="s", **terms),))
    monitor = Monitor([database], clock=clock, mutes=lambda: mutes)
    database.now = made.database(Health.CIRCUIT_OPEN)
    assert [alert.silence for alert in monitor.alert_list().alerts] == ["s"]
    assert monitor.alert_list().alerts == monitor.dashboard().alerts
    assert monitor.dashboard().silences == monitor.alert_list().silences


def test_the_pools_history_keeps_the_highest_of_five_seconds(made):
    history = History()
    for second, active, waiting in ((0, 3, 0), (2, 9, 5), (4, 4, 0), (5, 2, 0)):
        readings = {"pool.active": active, "pool.waiting": waiting}
        history.note(made.database(readings=readings), made.NOW + second)
    assert [(it.active, it.waiting) for it in history.samples()] == [(9, 5), (2, 0)]


def test_the_pools_history_ends_after_fifteen_minutes(made):
    history = History()
    for step in range(200):
        history.note(made.database(), made.NOW + 5 * step)
    assert len(history.samples()) == 180
    assert history.samples()[0].at == made.NOW + 100


def test_a_component_without_a_pool_has_no_history(made):
    history = History()
    history.note(made.service(), made.NOW)
    assert history.samples() == ()
