"""Doubles and counterparts for koo and for the programs that use it.

Time: `FakeClock`, `run` and `VirtualTimeLoop`, `cancel_at_every_await`. Counterparts: a real
`PostgresServer`, a `FaultProxy` before anything that speaks TCP, a `Simulator` of AI providers.
Each name is fetched when it is first used: what needs aiohttp loads it only then.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .cancellation import Cuts, cancel_at_every_await
    from .fake_clock import FakeClock
    from .fault_proxy import (
        Action,
        BlackHole,
        Chunk,
        Direction,
        FaultProxy,
        LinkFault,
        Phase,
        Traffic,
    )
    from .provider import After, Pieces, ScriptedProvider
    from .servers import PostgresServer
    from .simulator import SCENARIOS, Bucket, Endpoint, Fault, Meter, Received, Scenario, Simulator
    from .sockets import free_port
    from .virtual_loop import VirtualClock, VirtualDeadlock, VirtualTimeLoop, run, running_clock

__all__ = [
    "SCENARIOS",
    "Action",
    "After",
    "BlackHole",
    "Bucket",
    "Chunk",
    "Cuts",
    "Direction",
    "Endpoint",
    "FakeClock",
    "Fault",
    "FaultProxy",
    "LinkFault",
    "Meter",
    "Phase",
    "Pieces",
    "PostgresServer",
    "Received",
    "Scenario",
    "ScriptedProvider",
    "Simulator",
    "Traffic",
    "VirtualClock",
    "VirtualDeadlock",
    "VirtualTimeLoop",
    "cancel_at_every_await",
    "free_port",
    "run",
    "running_clock",
]

_HOMES = {
    ".cancellation": {"Cuts", "cancel_at_every_await"},
    ".fake_clock": {"FakeClock"},
    ".fault_proxy": {
        "Action",
        "BlackHole",
        "Chunk",
        "Direction",
        "FaultProxy",
        "LinkFault",
        "Phase",
        "Traffic",
    },
    ".provider": {"After", "Pieces", "ScriptedProvider"},
    ".servers": {"PostgresServer"},
    ".simulator": {
        "SCENARIOS",
        "Bucket",
        "Endpoint",
        "Fault",
        "Meter",
        "Received",
        "Scenario",
        "Simulator",
    },
    ".sockets": {"free_port"},
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

if not TYPE_CHECKING:  # pragma: no branch; a type checker that saw it would believe every name

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module 'koo.testing' has no attribute {name!r}")
        home = _HOME_OF.get(name, ".virtual_loop")
        found = getattr(import_module(home, "koo.testing"), name)
        globals()[name] = found
        return found

    def __dir__() -> list[str]:
        return [*globals(), *__all__]
