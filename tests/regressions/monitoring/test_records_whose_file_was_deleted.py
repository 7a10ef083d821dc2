"""Once the state file had been deleted, nobody was told anything until the next restart."""

import asyncio

import pytest

from koo.monitoring import Action, Alert, AlertState, Records, Severity
from koo.monitoring.notify import Courier, Outbox, RoutingConfig, Silence
from koo.stores import Archive, StoreError
from koo.testing import FakeClock, running_clock


class Hook:
    name = "hook"

    def __init__(self):
        self.told = []

    async def send(self, message):
        self.told.append([alert.id for alert in message.firing])


def fires(identity):
    return Alert(
        id=identity, severity=Severity.CRITICAL, component=identity.rpartition(":")[0], title="T",
        message="m", cause=None, state=AlertState.FIRING, since=1.0, runbook="r",
    )  # fmt: skip


def delete(path):
    for file in path.parent.iterdir():
        file.unlink()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "records" / "state.db"


async def test_people_are_told_by_the_file_that_is_made_anew(path):
    standing, hook = [fires("database:circuit-open")], Hook()
    courier = Courier(
        lambda: standing, Outbox(Archive(path)), [hook],
        routing=RoutingConfig(wait=1, interval=5), clock=running_clock(), random=lambda: 1.0,
    )  # fmt: skip
    working = asyncio.create_task(courier.run())
    await asyncio.sleep(20)
    delete(path)
    standing.append(fires("ai:claude:circuit-open"))
    await asyncio.sleep(20)
    working.cancel()
    await asyncio.wait([working])
    assert hook.told == [["database:circuit-open"], ["ai:claude:circuit-open"]]


async def test_what_people_do_is_kept_from_the_second_time_on(path):
    clock = FakeClock()
    records = Records.of(Archive(path), clock=clock)
    silence = Silence(
        id="s1", starts=clock.time(), ends=clock.time() + 60, actor="ann", reason="moving"
    )
    await records.mute_book.silence(silence)
    delete(path)
    with pytest.raises(StoreError):
        await records.mute_book.silence(silence)
    await records.mute_book.silence(silence)
    action = Action(
        at=1.0, component="x", action="y", actor="a", address=None, reason=None, before=None,
        after=None,
    )  # fmt: skip
    await records.audit.append(action)
    assert records.mute_book.mutes().silences == (silence,)
    assert [entry.action for entry in await records.audit.entries(10)] == [action]
    assert await records.spend.days() == ()
