"""What goes wrong at the simulated providers, again and again, and says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from koo.resilience import Clock
from koo.testing import Fault, Simulator

__all__ = ["make_faults"]


@dataclass(frozen=True, slots=True)
class _Scene:
    """After *wait* seconds *fault* strikes *service*, *count* times or for *seconds*."""

    wait: float
    service: str
    fault: Fault
    said: str
    count: int | None = None
    seconds: float | None = None


_SCENES: Final = (
    _Scene(3, "claude", Fault.RATE_LIMIT, "asks for a pause of 4 s (429, retry-after)", count=1),
    _Scene(2, "gemini", Fault.UNAVAILABLE, "is down for 30 s (503)", seconds=30),
    _Scene(3, "perplexity", Fault.RESET, "resets two connections", count=2),
    _Scene(4, "openai", Fault.HANG, "leaves one call without an answer", count=1),
    _Scene(4, "claude", Fault.OVERLOADED, "is overloaded for 6 s (529)", seconds=6),
    _Scene(10, "perplexity", Fault.CUT, "cuts one answer in the middle", count=1),
    _Scene(15, "openai", Fault.SERVER_ERROR, "fails three times (500)", count=3),
    _Scene(60, "openai", Fault.RATE_LIMIT, "asks for a pause of 4 s (429, retry-after)", count=1),
)
_USUAL: Final = {Fault.OVERLOADED: 0.02, Fault.SLOW: 0.03}
_PAUSE_ASKED: Final = 4.0
_INTERMISSION: Final = 20.0


async def make_faults(simulator: Simulator, *, clock: Clock) -> None:
    """Play the scenes until cancelled; between them a few calls in a hundred go wrong anyway."""
    while True:
        for service in simulator.base_urls:
            simulator.clear(service)
            simulator.mix(service, _USUAL)
        for scene in _SCENES:
            await clock.sleep(scene.wait)
            _play(simulator, scene)
        await clock.sleep(_INTERMISSION)


def _play(simulator: Simulator, scene: _Scene) -> None:
    print(f"provider       {scene.service} {scene.said}")
    simulator.fault(
        scene.service,
        scene.fault,
        count=scene.count,
        seconds=scene.seconds,
        retry_after=_PAUSE_ASKED,
    )
