"""A courier whose letters could not be had reported no trouble, and told nobody anything.

Each of its tasks forgot the troubles of the others; a letter that could not be read kept its
group waiting for ever; a full disk silenced every channel; and what had waited for a week was
told as if it had just happened.
"""

import asyncio
import sqlite3

import pytest

from koo.monitoring import Alert, AlertState, Now, Severity
from koo.monitoring.notify import Book, Courier, CourierConfig, Message, Outbox, RoutingConfig
from koo.resilience import Health
from koo.stores import Archive, StoreError
from koo.testing import running_clock


def firing(identity="database:circuit-open"):
    return Alert(
        id=identity, severity=Severity.CRITICAL, component="database", title="T", message="m",
        cause=None, state=AlertState.FIRING, since=1.0, runbook="r",
    )  # fmt: skip


class Channel:
    name = "hook"

    def __init__(self):
        self.arrived = []
        self.silent = False

    async def send(self, message):
        if self.silent:
            raise OSError
        ends = [f"-{alert.id}" for alert in message.resolved]
        self.arrived.append(" ".join([f"+{alert.id}" for alert in message.firing] + ends))


class Desk:
    """A courier at work in virtual time, and the alerts that stand."""

    def __init__(self, path, **config):
        self.alerts, self.outbox, self.hook = [], Outbox(Archive(path)), Channel()
        self.courier = Courier(
            lambda: self.alerts,
            self.outbox,
            [self.hook],
            routing=RoutingConfig(wait=5, interval=60),
            config=CourierConfig(**config),
            clock=running_clock(),
        )

    async def work(self, seconds):
        running = asyncio.create_task(self.courier.run())
        await asyncio.sleep(seconds)
        report = self.courier.report()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        return report


@pytest.fixture
def desk(tmp_path):
    return lambda **config: Desk(tmp_path / "state.db", **config)


def unusable(*_, **__):
    raise StoreError("the disk of state.db is full, make room")


async def test_a_channel_whose_letters_cannot_be_had_is_in_trouble(desk, monkeypatch):
    place = desk()
    monkeypatch.setattr(place.outbox, "claim", unusable)
    report = await place.work(100)
    assert report.state is Health.UNHEALTHY
    assert report.value("failing_for") > 90
    assert report.cause == "outbox of hook: the disk of state.db is full, make room"


async def test_while_the_file_cannot_be_had_people_are_told_from_memory(desk, monkeypatch):
    place = desk(absence=10)
    place.alerts = [firing()]
    with monkeypatch.context() as broken:
        for use in ("attend", "post", "claim", "leave"):
            broken.setattr(place.outbox, use, unusable)
        running = asyncio.create_task(place.courier.run())
        await asyncio.sleep(9)
        assert place.hook.arrived == []
        await asyncio.sleep(15)
        assert place.hook.arrived == ["+database:circuit-open"]
        assert place.courier.report().cause.startswith("outbox: the disk of state.db is full")
    await asyncio.sleep(120)
    assert place.hook.arrived == ["+database:circuit-open"]
    place.alerts = []
    await asyncio.sleep(120)
    assert place.hook.arrived == ["+database:circuit-open", "-database:circuit-open"]
    assert place.courier.report().state is Health.HEALTHY
    running.cancel()
    await asyncio.wait([running])


async def test_a_lock_of_a_moment_makes_nobody_tell_twice(desk, monkeypatch):
    place = desk(absence=10)
    place.alerts = [firing()]
    running = asyncio.create_task(place.courier.run())
    await asyncio.sleep(10)
    with monkeypatch.context() as broken:
        broken.setattr(place.outbox, "attend", unusable)
        await asyncio.sleep(5)
    await asyncio.sleep(200)
    assert place.hook.arrived == ["+database:circuit-open"]
    running.cancel()
    await asyncio.wait([running])


def spoil(path, body):
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE koo_letters SET body = ? WHERE id = 1", (body,))
    connection.close()


@pytest.mark.parametrize("body", ["{", "{}", "[]", '{"firing": [{}], "resolved": []}', "7"])
def test_a_letter_that_cannot_be_read_is_dead_and_lets_the_others_pass(tmp_path, body):
    outbox = Outbox(Archive(tmp_path / "state.db"))
    messages = [Message("database:critical", at, (firing(),), ()) for at in (1.0, 2.0)]
    assert outbox.post(["hook"], messages, Book(), Now(0.0, 0.0), courier="me")
    spoil(tmp_path / "state.db", body)
    assert outbox.claim("hook", 0.0, 30).message == messages[1]
    assert (outbox.stats().waiting, outbox.stats().dead) == (1, 1)


def test_what_a_later_version_has_added_is_passed_over(tmp_path):
    outbox, path = Outbox(Archive(tmp_path / "state.db")), tmp_path / "state.db"
    outbox.attend("you", [firing()], 0.0, 10.0)
    with sqlite3.connect(path) as connection:
        connection.execute(
            "UPDATE koo_couriers SET standing = json_set(standing, '$[0].mood', 'grim')"
        )
    connection.close()
    assert outbox.attend("me", [], 0.0, 10.0).elsewhere == (firing(),)


def test_what_another_process_says_unreadably_keeps_nobody_from_attending(tmp_path):
    outbox, path = Outbox(Archive(tmp_path / "state.db")), tmp_path / "state.db"
    outbox.attend("you", [firing()], 0.0, 10.0)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE koo_couriers SET standing = '[{}]'")
    connection.close()
    assert outbox.attend("me", [], 0.0, 10.0).elsewhere == ()


async def test_what_waited_for_a_week_is_no_news(desk):
    place, clock = desk(), running_clock()
    then = Now(0.0, clock.time() - 7 * 86_400)
    message = Message("database:critical", then.wall, (firing(),), ())
    assert place.outbox.post(["hook"], [message], Book(), then, courier="old")
    await place.work(20)
    assert place.hook.arrived == []
    assert place.courier.stats().buried_total == 1


# -- two processes without their file -----------------------------------------------------------


async def at_work(place):
    running = asyncio.create_task(place.courier.run())
    await asyncio.sleep(3)
    return running


async def ended(*running):
    for task in running:
        task.cancel()
    await asyncio.wait(running)


def without_a_file(broken, *places):
    for place in places:
        for use in ("attend", "post", "claim", "leave"):
            broken.setattr(place.outbox, use, unusable)


async def test_what_a_follower_could_not_tell_in_one_night_is_no_news_in_the_next(
    desk, monkeypatch
):
    leader, follower = desk(), desk()
    work = [await at_work(leader), await at_work(follower)]
    follower.alerts = [firing("database:pool-near")]
    follower.hook.silent = True
    with monkeypatch.context() as broken:
        without_a_file(broken, follower)
        await asyncio.sleep(60)
    follower.alerts, follower.hook.silent = [], False
    await asyncio.sleep(300)
    assert follower.hook.arrived == ["+database:pool-near", "-database:pool-near"]
    with monkeypatch.context() as broken:
        without_a_file(broken, leader, follower)
        await asyncio.sleep(120)
    assert len(follower.hook.arrived) == 2
    await ended(*work)


async def test_who_leads_after_the_night_knows_what_was_told_before_it(desk, monkeypatch):
    first, second = desk(), desk()
    first.alerts = [firing()]
    one, other = await at_work(first), await at_work(second)
    await asyncio.sleep(20)
    assert first.hook.arrived == ["+database:circuit-open"]
    with monkeypatch.context() as broken:
        without_a_file(broken, first, second)
        await ended(one)
        await asyncio.sleep(60)
    await asyncio.sleep(120)
    assert second.hook.arrived == ["-database:circuit-open"]
    await ended(other)
