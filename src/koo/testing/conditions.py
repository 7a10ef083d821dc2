"""What the network does to the connections through a `FaultProxy`.

    strike(fault, at=phase) --a connection comes to the phase--> struck --heal()--> as before

The attributes work at once and on every connection; what is struck is one connection, at a
moment of its conversation with a database, though some faults spread from there to all.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum

from .conversations import Phase

__all__ = [
    "Action",
    "BlackHole",
    "Chunk",
    "Conditions",
    "Direction",
    "Hook",
    "LinkFault",
    "Traffic",
]


class Direction(Enum):
    """Which way bytes travel."""

    TO_SERVER = "to server"
    TO_CLIENT = "to client"


class BlackHole(Enum):
    """For whom nothing comes through; what is held flows on when the hole closes."""

    OFF = "off"
    NEW = "connections accepted from now on"
    ALL = "all connections"


class Action(Enum):
    """What a hook wants done with a chunk."""

    PASS = "pass"  # noqa: S105
    DROP = "drop"
    CUT = "reset both sides; the chunk is lost"
    CUT_CLIENT = "reset the client; the chunk reaches the server, whose side stays open"
    ORPHAN = "reset the client; the chunk is lost, and the server's side stays open"
    END = "end both sides politely; the chunk is lost"


class LinkFault(Enum):
    """What may befall a connection at a moment that `FaultProxy.strike` names."""

    RESET = "both sides are reset"
    END = "both sides are ended politely, as by a firewall that is told to"
    BLACK_HOLE = "nothing comes through for anybody; it flows on when healed"
    HALF_OPEN = "this connection is dead and neither side is told; new ones are well"
    SILENCE = "whatever anybody asks is swallowed; new connections are accepted and never served"
    REFUSE = "this connection is reset and new ones are refused"
    STALL = "this connection stands still; it flows on when healed"
    DRIP = "what the server says arrives a byte at a time"
    DROP_REQUEST = "one message to the server is lost, and nothing else"
    DROP_REPLY = "one message to the client is lost, and nothing else"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some bytes on their way, as a hook sees them."""

    direction: Direction
    payload: bytes
    connection: int
    """Counted from 1 in the order of arrival."""
    phases: tuple[Phase, ...] = ()
    """What begins with it, if the conversation is one that we follow."""


Hook = Callable[[Chunk], Action | Awaitable[Action]]


@dataclass(slots=True)
class Traffic:
    """What went through a proxy since it was made."""

    accepted_total: int = 0
    resets_total: int = 0
    to_server_bytes: int = 0
    to_client_bytes: int = 0
    ports: set[int] = field(default_factory=set)
    """From where the server saw our connections come."""


class Conditions(ABC):
    """What the network does to every connection, and to the one that is struck next."""

    delay: float = 0.0
    """Seconds that each chunk is held, in each direction."""
    drip: float = 0.1
    """Seconds between two bytes of a connection that drips."""
    resets_new: bool = False
    """Whether a connection is accepted and reset at once."""
    drops_requests: bool = False
    """Whether what the client sends is lost."""
    drops_replies: bool = False
    """Whether what the server sends is lost."""
    cut_after_bytes: int | None = None
    """After so many bytes of replies a connection is reset; None = never."""
    hook: Hook | None = None
    """Asked about every chunk; may be async, and holds its direction while it waits."""
    witness: Callable[[Chunk], object] | None = None
    """Told of every chunk as it arrives, whatever becomes of it."""

    def __init__(self) -> None:
        self.traffic = Traffic()
        self.struck = asyncio.Event()
        self.is_silent = False
        self._armed: tuple[LinkFault, Phase] | None = None
        self._healed = asyncio.Event()
        self._black_hole = BlackHole.OFF
        self._hole_changed = asyncio.Event()

    @property
    def black_hole(self) -> BlackHole:
        """For whom nothing comes through."""
        return self._black_hole

    @black_hole.setter
    def black_hole(self, hole: BlackHole) -> None:
        self._black_hole = hole
        self._hole_changed.set()
        self._hole_changed = asyncio.Event()

    @abstractmethod
    def refuse(self) -> None:
        """Refuse new connections until healed."""

    def strike(self, fault: LinkFault, at: Phase) -> None:
        """Let *fault* befall the next connection that comes to the phase *at*, once."""
        self._armed = (fault, at)
        self.struck.clear()
        if self._armed == (LinkFault.REFUSE, Phase.CONNECT):
            self._armed = None
            self.refuse()
            self.struck.set()

    def fault_at(self, phases: tuple[Phase, ...]) -> LinkFault | None:
        """The fault that is due now, if any; it is due only once."""
        if self._armed is None or self._armed[1] not in phases:
            return None
        fault, self._armed = self._armed[0], None
        self.struck.set()
        return fault

    async def heal(self) -> None:
        """End what ``strike`` began: held bytes flow on, connections that lost some are reset."""
        self._armed = None
        self.is_silent = False
        self.black_hole = BlackHole.OFF
        self._healed.set()
        self._healed = asyncio.Event()

    async def healing(self) -> None:
        """Wait for the next ``heal``."""
        await self._healed.wait()

    async def hold_new(self) -> None:
        """Wait until new connections come through."""
        while self._black_hole is not BlackHole.OFF:
            await self._hole_changed.wait()

    async def hold(self) -> None:
        """Wait until all connections come through."""
        while self._black_hole is BlackHole.ALL:
            await self._hole_changed.wait()
