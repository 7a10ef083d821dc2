"""A process that tells one webhook what fires, until it is killed: PORT STATE-FILE.

An alert stands for odd seconds and not for even ones, so there is always something to tell.
"""

import asyncio
import sys
from pathlib import Path

from koo.monitoring import Alert, AlertState, Severity
from koo.monitoring.notify import (
    Address,
    Courier,
    CourierConfig,
    Outbox,
    RoutingConfig,
    Webhook,
)
from koo.resilience import SYSTEM_CLOCK
from koo.stores import Archive


def standing():
    tick = int(SYSTEM_CLOCK.time() * 20)
    if tick % 2:
        return []
    return [
        Alert(
            id=f"database:r{tick}", severity=Severity.CRITICAL, component="database", title="T",
            message="m", cause=None, state=AlertState.FIRING, since=float(tick), runbook="r",
        )
    ]  # fmt: skip


async def main(port, path):
    hook = Webhook("hook", Address(f"http://127.0.0.1:{port}/"))
    courier = Courier(
        standing,
        Outbox(Archive(Path(path))),
        [hook],
        routing=RoutingConfig(wait=0, interval=0.01, repeat=60),
        config=CourierConfig(every=0.01, timeout=0.3, lease=0.4, longest_pause=0.1, absence=0.2),
    )
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await courier.run()


asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
