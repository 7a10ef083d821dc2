"""A courier that followed kept the troubles of its time as leader, and forgot what it had told.

Its last failure was an alert for ever, although nobody was told by it any more; what it had told
from memory, without the file, never ended; and what an Alertmanager was to be told, raising once,
ended all of its work.
"""

import asyncio
from contextlib import asynccontextmanager

import pytest

from koo.monitoring import Alert, AlertState, Severity
from koo.monitoring.notify import Courier, DeliveryError, Outbox, Retelling, RoutingConfig
from koo.resilience import Health
from koo.stores import Archive, StoreError
from koo.testing import running_clock

FIRING = Alert(
    id="ai:x:circuit-open", severity=Severity.CRITICAL, component="ai:x", title="T", message="m",
    cause=None, state=AlertState.FIRING, since=1.0, runbook="r",
)  # fmt: skip


class World:
    """All that is outside: channels and Alertmanagers, which are up or not."""

    def __init__(self):
        self.is_up = True
        self.told = []

    def hear(self, what):
        if not self.is_up:
            raise DeliveryError("HTTP 503")
        self.told.append(what)


class Hook:
    name = "hook"

    def __init__(self, world):
        self.world = world

    async def send(self, message):
        ends = [f"-{alert.id}" for alert in message.resolved]
        self.world.hear(" ".join([f"+{alert.id}" for alert in message.firing] + ends))


class Alertmanager:
    name = "alertmanager"

    def __init__(self, world):
        self.world = world

    async def tell(self, standing, over, *, until):
        self.world.hear((len(standing), len(over), until > 0))


class Process:
    """A courier at work in virtual time, on a file that it shares, and the alerts that it sees."""

    def __init__(self, path, world):
        clock = running_clock()
        self.alerts, self.outbox = [], Outbox(Archive(path))
        retelling = Retelling(lambda: self.alerts, Alertmanager(world), clock=clock)
        self.courier = Courier(
            lambda: self.alerts,
            self.outbox,
            [Hook(world)],
            retellings=[retelling],
            routing=RoutingConfig(wait=5, interval=60),
            clock=clock,
        )

    @property
    def leads(self):
        return bool(self.courier.report().value("leads"))


@pytest.fixture
def world():
    return World()


@asynccontextmanager
async def two_processes(folder, world):
    """Two on one file; the first leads."""
    both, running = [Process(folder / "state.db", world) for _ in range(2)], []
    for each in both:
        running.append(asyncio.create_task(each.courier.run()))
        await asyncio.sleep(1.5)
    yield both
    for task in running:
        task.cancel()
    await asyncio.wait(running)


def unusable(*_, **__):
    raise StoreError("the disk is full")


def without_a_file(broken, *places):
    for place in places:
        for use in ("attend", "book", "post", "claim"):
            broken.setattr(place.outbox, use, unusable)


async def test_who_is_overtaken_leaves_its_troubles_behind(tmp_path, world, monkeypatch):
    async with two_processes(tmp_path, world) as (one, two):
        one.alerts, world.is_up = [FIRING], False
        await asyncio.sleep(70)
        assert one.courier.report().state is Health.UNHEALTHY
        assert one.courier.report().cause == "hook: HTTP 503, alertmanager: HTTP 503"
        with monkeypatch.context() as broken:
            broken.setattr(one.outbox, "attend", unusable)
            await asyncio.sleep(15)
        await asyncio.sleep(3)
        assert (one.leads, two.leads) == (False, True)
        report = one.courier.report()
        assert (report.state, report.cause) == (Health.HEALTHY, None)
        await asyncio.sleep(60)
        assert two.courier.report().cause is not None


async def test_who_could_not_tell_before_it_followed_is_in_no_trouble(tmp_path, world, monkeypatch):
    world.is_up = False
    place = Process(tmp_path / "state.db", world)
    place.outbox.attend("another", (), running_clock().time() + 5, 10)
    running = asyncio.create_task(place.courier.run())
    await asyncio.sleep(2)
    assert not place.leads
    assert place.courier.report().cause is None
    running.cancel()
    await asyncio.wait([running])


async def test_what_was_told_from_memory_is_ended_by_who_told_it(tmp_path, world, monkeypatch):
    async with two_processes(tmp_path, world) as (one, two):
        two.alerts = [FIRING]
        with monkeypatch.context() as broken:
            without_a_file(broken, one, two)
            await asyncio.sleep(30)
        told = [it for it in world.told if isinstance(it, str)]
        assert told == ["+ai:x:circuit-open"]
        two.alerts = []
        await asyncio.sleep(100)
        assert (one.leads, two.leads) == (True, False)
        told = [it for it in world.told if isinstance(it, str)]
        assert told == ["+ai:x:circuit-open", "-ai:x:circuit-open"]


async def test_what_all_are_told_by_now_is_ended_by_who_leads(tmp_path, world, monkeypatch):
    async with two_processes(tmp_path, world) as (one, two):
        two.alerts = [FIRING]
        with monkeypatch.context() as broken:
            without_a_file(broken, one, two)
            await asyncio.sleep(30)
        await asyncio.sleep(100)
        two.alerts = []
        await asyncio.sleep(100)
        told = [it for it in world.told if isinstance(it, str)]
        assert told == ["+ai:x:circuit-open"] * 2 + ["-ai:x:circuit-open"]


async def test_an_end_that_does_not_arrive_is_a_trouble_even_so(tmp_path, world, monkeypatch):
    async with two_processes(tmp_path, world) as (one, two):
        two.alerts = [FIRING]
        with monkeypatch.context() as broken:
            without_a_file(broken, one, two)
            await asyncio.sleep(30)
        two.alerts, world.is_up = [], False
        await asyncio.sleep(100)
        assert two.courier.report().cause == "hook: HTTP 503"
        world.is_up = True
        await asyncio.sleep(100)
        assert world.told.count("-ai:x:circuit-open") == 1
        assert two.courier.report().cause is None


async def test_what_raises_once_ends_no_courier(tmp_path, world):
    async with two_processes(tmp_path, world) as (one, _):
        one.alerts = None
        await asyncio.sleep(70)
        assert one.courier.report().cause == "outbox: TypeError, alertmanager: TypeError"
        one.alerts = [FIRING]
        await asyncio.sleep(70)
        assert one.courier.report().cause is None
        assert world.told[-1] == (1, 0, True)
        assert "+ai:x:circuit-open" in world.told
