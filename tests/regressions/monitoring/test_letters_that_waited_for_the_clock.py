"""What had been written while the wall clock was ahead was not sent until that hour came again."""

import asyncio

from koo.monitoring import Alert, AlertState, Severity
from koo.monitoring.notify import Courier, Outbox, RoutingConfig
from koo.stores import Archive
from koo.testing import running_clock


class Hook:
    name = "hook"

    def __init__(self):
        self.works = False
        self.told = []

    async def send(self, message):
        if not self.works:
            raise ConnectionError
        self.told.append(len(message.firing))


class Wall:
    """The running clock, whose wall time is *ahead* by as much as somebody says."""

    def __init__(self, ahead):
        self._clock = running_clock()
        self.ahead = ahead
        self.monotonic = self._clock.monotonic
        self.sleep = self._clock.sleep

    def time(self):
        return self._clock.time() + self.ahead


async def test_a_clock_that_is_set_back_delays_no_letter(tmp_path):
    hook, clock = Hook(), Wall(ahead=86_400.0)
    alert = Alert(
        id="database:circuit-open", severity=Severity.CRITICAL, component="database", title="T",
        message="m", cause=None, state=AlertState.FIRING, since=1.0, runbook="r",
    )  # fmt: skip
    courier = Courier(
        lambda: [alert], Outbox(Archive(tmp_path / "state.db")), [hook],
        routing=RoutingConfig(wait=1), clock=clock, random=lambda: 1.0,
    )  # fmt: skip
    working = asyncio.create_task(courier.run())
    await asyncio.sleep(5)
    clock.ahead = 0.0
    hook.works = True
    await asyncio.sleep(30)
    working.cancel()
    await asyncio.wait([working])
    assert hook.told == [1]
