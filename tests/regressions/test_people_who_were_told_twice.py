"""Two processes of one file told people twice, and one ended what the other still saw."""

import asyncio

from koo.monitoring import Alert, AlertState, Severity
from koo.monitoring.notify import Courier, Outbox, RoutingConfig
from koo.stores import Archive
from koo.testing import running_clock


class Hook:
    name = "hook"

    def __init__(self):
        self.told = []

    async def send(self, message):
        self.told.append((len(message.firing), len(message.resolved)))


def standing():
    return [
        Alert(
            id="database:circuit-open", severity=Severity.CRITICAL, component="database", title="T",
            message="m", cause=None, state=AlertState.FIRING, since=1.0, runbook="r",
        )
    ]  # fmt: skip


async def test_an_alert_of_one_of_two_processes_is_told_once_and_is_not_over(tmp_path):
    hook, clock = Hook(), running_clock()
    couriers = [
        Courier(
            seen, Outbox(Archive(tmp_path / "state.db")), [hook],
            routing=RoutingConfig(wait=5, interval=30), clock=clock, random=lambda: 1.0,
        )
        for seen in (list, standing, standing)
    ]  # fmt: skip
    working = [asyncio.create_task(courier.run()) for courier in couriers]
    await asyncio.sleep(120)
    for task in working:
        task.cancel()
    await asyncio.wait(working)
    assert hook.told == [(1, 0)]
