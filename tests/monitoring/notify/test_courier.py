"""Delivery in virtual time: what is decided arrives, whatever fails, and nobody waits for it."""

import asyncio

import pytest

from koo.monitoring import Monitor
from koo.monitoring.notify import (
    Courier,
    CourierConfig,
    DeliveryError,
    Outbox,
    Retelling,
    RoutingConfig,
)
from koo.resilience import Health
from koo.stores import Archive, StoreError
from koo.testing import running_clock


class Channel:
    """A way to people that fails on command, and keeps what arrived."""

    def __init__(self, name="hook", *failures):
        self.name = name
        self.failures = list(failures)
        self.arrived = []

    async def send(self, message):
        if self.failures:
            failure = self.failures.pop(0)
            if failure is None:
                await asyncio.Event().wait()
            raise failure
        self.arrived.append((running_clock().monotonic(), message))

    @property
    def marks(self):
        """Ids with a plus where they fire, with a minus where they are over."""
        return [
            " ".join([*(f"+{a.id}" for a in m.firing), *(f"-{a.id}" for a in m.resolved)])
            for _, m in self.arrived
        ]


class Station:
    """A courier in a state file, and the alerts that stand."""

    def __init__(self, path, *channels, **config):
        self.alerts = []
        self.outbox = Outbox(Archive(path))
        self.channels = channels
        self.retellings = []
        self.config = config
        self.courier = None

    async def work(self, seconds):
        """A process that lives so long."""
        self.courier = Courier(
            lambda: self.alerts,
            self.outbox,
            self.channels,
            retellings=self.retellings,
            routing=RoutingConfig(wait=5, interval=60),
            config=CourierConfig(**self.config),
            clock=running_clock(),
            random=lambda: 1.0,
        )
        running = asyncio.create_task(self.courier.run())
        await asyncio.sleep(seconds)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


@pytest.fixture
def station(tmp_path):
    return lambda *channels, **config: Station(tmp_path / "state.db", *channels, **config)


async def test_what_fires_and_ends_arrives_once(station, post):
    hook = Channel()
    place = station(hook)
    place.alerts = [post.alert()]
    await place.work(10)
    place.alerts = []
    await place.work(100)
    assert hook.marks == ["+database:circuit-open", "-database:circuit-open"]
    assert place.courier.stats().sent_total == 1


async def test_an_end_is_told_although_the_process_that_told_the_beginning_is_gone(station, post):
    hook = Channel()
    place = station(hook)
    place.alerts = [post.alert()]
    await place.work(10)
    place.alerts = []
    await place.work(50)
    assert hook.marks == ["+database:circuit-open"]
    await place.work(70)
    assert hook.marks == ["+database:circuit-open", "-database:circuit-open"]


async def test_what_still_fires_after_a_restart_is_not_told_again(station, post):
    hook = Channel()
    place = station(hook)
    place.alerts = [post.alert()]
    for _ in range(5):
        await place.work(100)
    assert hook.marks == ["+database:circuit-open"]


async def test_a_failed_delivery_is_tried_again_at_growing_intervals(station, post):
    hook = Channel("hook", *[DeliveryError("HTTP 503")] * 4)
    place = station(hook)
    place.alerts = [post.alert()]
    await place.work(60)
    [(at, _)] = hook.arrived
    assert at == pytest.approx(5 + 1 + 2 + 4 + 8, abs=5)
    stats = place.courier.stats()
    assert (stats.sent_total, stats.failed_total) == (1, 4)
    assert stats.last_error == "hook: HTTP 503"


async def test_a_channel_of_a_users_own_may_raise_anything(station, post):
    hook = Channel("hook", ZeroDivisionError("secret"))
    place = station(hook)
    place.alerts = [post.alert()]
    await place.work(60)
    assert len(hook.arrived) == 1
    assert place.courier.stats().last_error == "hook: ZeroDivisionError"


async def test_a_channel_that_hangs_is_given_up_on_and_delays_no_other(station, post):
    hangs, works = Channel("hangs", None), Channel("works")
    place = station(hangs, works, timeout=10, lease=30)
    place.alerts = [post.alert()]
    await place.work(60)
    assert works.arrived[0][0] < 7
    assert 15 <= hangs.arrived[0][0] < 20
    assert place.courier.stats().last_error == "hangs: no answer within 10 s"


async def test_a_letter_is_given_up_after_its_time_and_kept(station, post):
    hook = Channel("hook", *[DeliveryError("HTTP 404")] * 1000)
    place = station(hook, give_up=600, longest_pause=60)
    place.alerts = [post.alert()]
    await place.work(1000)
    assert place.courier.stats().buried_total == 1
    assert (place.outbox.stats().waiting, place.outbox.stats().dead) == (0, 1)


async def test_a_file_that_cannot_be_written_loses_nothing(station, post, monkeypatch):
    hook = Channel()
    place = station(hook)
    real, failing = place.outbox.post, [StoreError("the disk is full")] * 3

    def post_or_fail(*terms, courier):
        if failing:
            raise failing.pop()
        return real(*terms, courier=courier)

    monkeypatch.setattr(place.outbox, "post", post_or_fail)
    place.alerts = [post.alert()]
    await place.work(20)
    assert hook.marks == ["+database:circuit-open"]
    stats = place.courier.stats()
    assert (stats.errors_total, stats.last_error) == (3, "outbox: the disk is full")


async def test_what_does_not_arrive_for_a_minute_is_an_alert_on_the_page(station, post):
    hook = Channel("hook", *[DeliveryError("HTTP 503")] * 1000)
    place = station(hook)
    place.alerts = [post.alert()]
    await place.work(60)
    monitor = Monitor([place.courier], clock=running_clock())
    assert monitor.alerts() == ()
    assert place.courier.report().state is Health.HEALTHY
    await asyncio.sleep(60)
    [alert] = monitor.alerts()
    assert (alert.id, alert.cause) == ("notifications:failing", "hook: HTTP 503")
    assert (await place.courier.check()).state is Health.UNHEALTHY
    place.courier.reset()
    assert monitor.alerts() == ()


async def test_what_arrives_after_all_is_no_trouble(station, post):
    hook = Channel("hook", DeliveryError("HTTP 503"))
    place = station(hook)
    place.alerts = [post.alert()]
    await place.work(20)
    await asyncio.sleep(1000)
    assert place.courier.report().value("failing_for") == 0


async def test_nothing_is_delivered_before_it_is_known_what_was_told(station):
    place = station(Channel())
    courier = Courier(list, place.outbox, place.channels, clock=running_clock())
    await courier.deliver(place.channels[0])
    assert courier.stats().sent_total == 0


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"every": 0}, "CourierConfig: every must be a number of seconds above 0"),
        ({"give_up": float("inf")}, "CourierConfig: give_up must be a number of seconds above 0"),
        ({"lease": 10}, "CourierConfig: lease must be longer than timeout"),
        ({"absence": 1}, "CourierConfig: absence must be longer than every"),
    ],
)
def test_a_courier_that_cannot_be_right_says_so_in_a_sentence(config, sentence):
    with pytest.raises(ValueError) as refused:
        CourierConfig(**config)
    assert str(refused.value) == sentence


def test_a_courier_has_no_circuit_to_half_open(station):
    place = station(Channel())
    courier = Courier(list, place.outbox, place.channels)
    before = courier.report()
    courier.half_open()
    assert courier.report() == before


# -- several processes on one file ----------------------------------------------------------------


async def test_what_two_processes_see_is_told_once_and_over_when_neither_sees_it(station, post):
    hook = Channel()
    one, other = station(hook), station(hook)
    one.alerts, other.alerts = [post.alert()], [post.alert(since=post.START + 1)]
    async with asyncio.TaskGroup() as group:
        group.create_task(one.work(200))
        group.create_task(other.work(200))
        await asyncio.sleep(70)
        one.alerts = []
        await asyncio.sleep(70)
        assert hook.marks == ["+database:circuit-open"]
        other.alerts = []
    assert hook.marks == ["+database:circuit-open", "-database:circuit-open"]
    assert sorted((one.courier.stats().sent_total, other.courier.stats().sent_total)) == [0, 2]


async def test_what_only_a_follower_sees_is_told(station, post):
    hook = Channel()
    one, other = station(hook), station(hook)
    async with asyncio.TaskGroup() as group:
        group.create_task(one.work(30))
        await asyncio.sleep(3)
        other.alerts = [post.alert()]
        group.create_task(other.work(20))
        await asyncio.sleep(2)
        assert one.courier.report().value("leads") == 1
        assert other.courier.report().value("leads") == 0
    assert hook.marks == ["+database:circuit-open"]


async def test_who_follows_leads_when_the_first_is_gone_and_tells_nothing_again(station, post):
    hook = Channel()
    one, other = station(hook), station(hook)
    one.alerts = other.alerts = [post.alert()]
    async with asyncio.TaskGroup() as group:
        group.create_task(one.work(20))
        await asyncio.sleep(3)
        group.create_task(other.work(200))
        await asyncio.sleep(20)
        assert other.courier.report().value("leads") == 1
        other.alerts = []
    assert hook.marks == ["+database:circuit-open", "-database:circuit-open"]


async def test_who_is_overtaken_in_the_midst_of_deciding_writes_nothing(station, post, monkeypatch):
    hook = Channel()
    one = station(hook)
    one.alerts = [post.alert()]
    real = one.outbox.post

    def overtaken(*terms, courier):
        monkeypatch.setattr(one.outbox, "post", real)
        later = running_clock().time() + 60
        one.outbox.attend("another", (), later, 10)
        assert not real(*terms, courier=courier)
        one.outbox.leave("another")
        return False

    monkeypatch.setattr(one.outbox, "post", overtaken)
    await one.work(20)
    assert hook.marks == ["+database:circuit-open"]


class Told:
    """An Alertmanager that remembers who was told to it."""

    name = "alertmanager"

    def __init__(self):
        self.bodies = []

    async def tell(self, standing, over, *, until):
        del over, until
        self.bodies.append([one.id for one in standing])


async def test_of_two_processes_one_tells_an_alertmanager_what_both_see(station, post):
    one, other = station(), station()
    first, second = Told(), Told()
    async with asyncio.TaskGroup() as group:
        for place, alertmanager, identity in (
            (one, first, "database:circuit-open"),
            (other, second, "ai:a:circuit-open"),
        ):
            place.alerts = [post.alert(identity)]
            place.retellings = [
                Retelling(lambda p=place: p.alerts, alertmanager, clock=running_clock())
            ]
            group.create_task(place.work(100))
            await asyncio.sleep(5)
    assert first.bodies[1:] == [["database:circuit-open", "ai:a:circuit-open"]] * 3
    assert second.bodies[1:] == []


async def test_who_follows_tells_an_alertmanager_while_nobody_knows_who_leads(
    station, post, monkeypatch
):
    def fail(*_):
        raise StoreError("the disk is gone")

    one, other, alertmanager = station(), station(), Told()
    other.alerts = [post.alert()]
    other.retellings = [Retelling(lambda: other.alerts, alertmanager, clock=running_clock())]
    async with asyncio.TaskGroup() as group:
        group.create_task(one.work(150))
        await asyncio.sleep(3)
        group.create_task(other.work(140))
        await asyncio.sleep(70)
        quiet = len(alertmanager.bodies)
        monkeypatch.setattr(other.outbox, "attend", fail)
        await asyncio.sleep(60)
        assert len(alertmanager.bodies) == quiet + 2
        assert other.courier.stats().last_error == "outbox: the disk is gone"
