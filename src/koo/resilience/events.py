"""What happened, told once, to whoever listens.

One frozen record per thing that can happen. Nothing is told of a call that
simply succeeds. A listener hears of a transition after it; what it raises is
counted and never reaches the caller.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from .measure import Counter

__all__ = [
    "LISTENER_ERRORS",
    "AuditLineLost",
    "CallRejected",
    "ConfigurationChanged",
    "ConnectionEvent",
    "Event",
    "GaveUp",
    "HealthChecked",
    "LimitPaused",
    "LimitReached",
    "Listener",
    "ModeChanged",
    "OperatorAction",
    "PaceChanged",
    "PoolChanged",
    "RetryScheduled",
    "SchemaChanged",
    "StateChanged",
    "StateRenewed",
    "fan_out",
    "ignore",
    "moved",
    "tell",
]


@dataclass(frozen=True, slots=True)
class StateChanged:
    """A circuit breaker moved from one state to another, because of *cause*."""

    component: str
    before: str
    after: str
    cause: str


@dataclass(frozen=True, slots=True)
class StateRenewed:
    """A circuit breaker stays in *state*, but begins it anew, because of *cause*.

    Closed, it has forgotten its failures; open, it waits longer or for another reason.
    """

    component: str
    state: str
    cause: str


@dataclass(frozen=True, slots=True)
class ModeChanged:
    """A circuit breaker went from one mode into another, because of *cause*."""

    component: str
    before: str
    after: str
    cause: str


@dataclass(frozen=True, slots=True)
class RetryScheduled:
    """Attempt number *attempt* failed with *error*; the next follows after *delay* seconds."""

    component: str
    attempt: int
    delay: float
    error: Exception


@dataclass(frozen=True, slots=True)
class GaveUp:
    """The last of *attempts* attempts failed with *error*; the caller gets it."""

    component: str
    attempts: int
    error: Exception


@dataclass(frozen=True, slots=True)
class CallRejected:
    """A policy refused a call, because *gate* did."""

    component: str
    gate: str
    reason: str
    retry_after: float | None


@dataclass(frozen=True, slots=True)
class LimitPaused:
    """A limiter admits nothing for *seconds*, because the other side asked for it."""

    component: str
    seconds: float


@dataclass(frozen=True, slots=True)
class LimitReached:
    """A limit of the other side is used up, as *cause* says; something passes in *seconds*."""

    component: str
    cause: str
    seconds: float


@dataclass(frozen=True, slots=True)
class PaceChanged:
    """Calls go evenly, so many *per_minute* (None: as they come), because of *cause*."""

    component: str
    per_minute: float | None
    cause: str


@dataclass(frozen=True, slots=True)
class HealthChecked:
    """An active check ended: *ok*, or *error*; *seconds* is how long the answer took."""

    component: str
    ok: bool
    error: str | None
    seconds: float


@dataclass(frozen=True, slots=True)
class ConnectionEvent:
    """Something happened to a connection (*what*), because of *cause*.

    It was opened; it leaves, as one of closed, invalidated (found broken), reclaimed (held for too
    long) and aborted (still held at the end of a drain). Before, it may be told as recycled (old),
    and while it is lent as leaked (held for long) or nested (its task wants another).
    """

    component: str
    what: str
    cause: str


@dataclass(frozen=True, slots=True)
class PoolChanged:
    """A pool went from one of open, paused and drained into another, because of *cause*."""

    component: str
    before: str
    after: str
    cause: str


@dataclass(frozen=True, slots=True)
class SchemaChanged:
    """koo has made something of its own in a database; *what* names it."""

    component: str
    what: str


@dataclass(frozen=True, slots=True)
class ConfigurationChanged:
    """The settings *names* differ from what they were; their values are not told."""

    component: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OperatorAction:
    """A person did *action* and gave *reason*."""

    component: str
    action: str
    reason: str | None
    actor: str
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class AuditLineLost:
    """That a person did *action* is not in the audit, because of *cause*."""

    component: str
    action: str
    cause: str


Event: TypeAlias = (
    StateChanged
    | StateRenewed
    | ModeChanged
    | RetryScheduled
    | GaveUp
    | CallRejected
    | LimitPaused
    | LimitReached
    | PaceChanged
    | HealthChecked
    | ConnectionEvent
    | PoolChanged
    | SchemaChanged
    | ConfigurationChanged
    | OperatorAction
    | AuditLineLost
)
Listener: TypeAlias = Callable[[Event], None]

LISTENER_ERRORS: Final = Counter()


def moved(component: str, before: str, after: str, cause: str) -> StateChanged | StateRenewed:
    """What a circuit breaker tells that goes from one state into another, or begins it anew."""
    if before == after:
        return StateRenewed(component, before, cause)
    return StateChanged(component, before, after, cause)


def ignore(_: Event) -> None:
    """The listener that does not listen."""


def tell(listener: Listener, event: Event) -> None:
    """Tell *listener*; what it raises is counted in ``LISTENER_ERRORS`` and dropped."""
    try:
        listener(event)
    except Exception:  # noqa: BLE001 - a listener must never break the call it listens to
        LISTENER_ERRORS.add()


def fan_out(*listeners: Listener) -> Listener:
    """One listener that tells all *listeners*, each safe from the others."""

    def tell_all(event: Event) -> None:
        for listener in listeners:
            tell(listener, event)

    return tell_all
