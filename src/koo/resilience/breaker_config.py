"""What a circuit breaker is told at birth, and the photograph it gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from ..values import quickly_made
from .checking import check_finite, check_part, check_whole
from .window import WindowConfig

__all__ = ["BreakerConfig", "BreakerStats", "Mode", "State", "believed", "configured"]

_JITTER: Final = 0.1
_LONGEST_WAIT: Final = 5.0
_DOUBLINGS: Final = 3
_LONGEST_HINT: Final = 3600.0


class State(StrEnum):
    """Where a breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Mode(StrEnum):
    """Whether a breaker is in charge.

    NORMAL as its states say | ISOLATED refuses all | FORCED_CLOSED records, never opens
    DISABLED admits all, records nothing | SHADOW moves as NORMAL, but admits all and counts
    """

    NORMAL = "normal"
    ISOLATED = "isolated"
    FORCED_CLOSED = "forced_closed"
    DISABLED = "disabled"
    SHADOW = "shadow"

    @property
    def never_opens(self) -> bool:
        """Whether a closed breaker stays closed, whatever happens."""
        return self in {Mode.FORCED_CLOSED, Mode.DISABLED}


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerConfig:
    """When to open, how long to wait, when to close.

    *failure_threshold*: failures that open it, if they are *failure_rate* of the
    window, or a run spread over *streak_span* seconds. *recovery_timeout*: the
    first wait in seconds; it doubles while probes fail, to at most five times.
    *success_threshold*: successful probes that close it, *max_probes* at once;
    a probe is a lease that lasts as long as an attempt may, or *recovery_timeout*
    where nobody has said how long that is.
    *slow_threshold*: seconds after which a call is slow, or a stream without its
    first item (None: no slow rule); it
    opens when *failure_threshold* slow calls are *slow_rate* of all. After closing
    *ramp_start* calls may be in flight, one more with each success, twice as many
    every *ramp_timeout* seconds, until that has refused nobody for as long.
    """

    failure_threshold: int = 5
    recovery_timeout: float = 60.0
    success_threshold: int = 2
    failure_rate: float = 0.5
    streak_span: float = 1.0
    slow_threshold: float | None = None
    slow_rate: float = 0.5
    max_probes: int = 1
    ramp_start: int = 2
    ramp_timeout: float = 2.0
    window: WindowConfig = field(default=WindowConfig())

    def __post_init__(self) -> None:
        """Refuse what could never work; widen the default window for a large threshold."""
        check_part("BreakerConfig", "window", self.window, WindowConfig)
        counts = "failure_threshold", "success_threshold", "max_probes", "ramp_start"
        check_whole(self, *counts)
        check_finite(
            self,
            *("recovery_timeout", "streak_span", "ramp_timeout", "failure_rate", "slow_rate"),
            optional=("slow_threshold",),
        )
        for name in counts:
            if getattr(self, name) < 1:
                raise ValueError(_message(name, "must be at least 1"))
        for name in ("recovery_timeout", "slow_threshold"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(_message(name, "must be above 0 seconds"))
        for name in ("streak_span", "ramp_timeout"):
            if not getattr(self, name) >= 0:
                raise ValueError(_message(name, "can't be negative; use 0 seconds for none"))
        for name in ("failure_rate", "slow_rate"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(_message(name, "must be above 0 and at most 1"))
        self._widen()

    def open_wait(self, failed_probes: int, draw: float, hint: float | None) -> float:
        """Seconds to stay open: doubled for each failed probe to five times, and up to 10 % more.

        *draw* is uniform in [0, 1). What the dependency names as *hint* is a
        floor, believed up to an hour.
        """
        growth = min(2.0 ** min(failed_probes, _DOUBLINGS), _LONGEST_WAIT)
        wait = self.recovery_timeout * growth * (1 + _JITTER * draw)
        return max(wait, believed(hint))

    def is_slow(self, seconds: float) -> bool:
        """Whether a call that takes so many *seconds* is slow."""
        return self.slow_threshold is not None and seconds > self.slow_threshold

    def too_many_slow(self, slow: int, outcomes: int) -> bool:
        """Whether *slow* of *outcomes* calls are enough to open."""
        return slow >= self.failure_threshold and slow >= self.slow_rate * outcomes

    def _widen(self) -> None:
        if 0 < self.window.size < 2 * self.failure_threshold:
            window = WindowConfig(2 * self.failure_threshold, self.window.span, self.window.age)
            object.__setattr__(self, "window", window)


def configured(breaker: str, config: BreakerConfig | None) -> BreakerConfig:
    """*config*, or the documented one; raises ValueError if *breaker* was given something else."""
    config = _USUAL if config is None else config
    check_part(f"CircuitBreaker {breaker!r}", "config", config, BreakerConfig)
    return config


def believed(hint: float | None) -> float:
    """How many of the seconds that the dependency named are waited for: an hour at most."""
    return min(hint or 0.0, _LONGEST_HINT)


_USUAL: Final = BreakerConfig()


def _message(name: str, rule: str) -> str:
    return f"BreakerConfig: {name} {rule}"


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerStats:
    """A photograph of a circuit breaker.

    *failures*, *slow* and *outcomes* are those in the window; *retry_after* the
    seconds until the next probe, 0 when calls pass, None when only a person can
    release it; *since* the epoch second of the last transition, None before any.
    *latest* are the last outcomes in the window, oldest first, True for no failure.
    """

    name: str
    state: State
    mode: Mode
    failures: int
    slow: int
    outcomes: int
    failure_threshold: int
    successes: int
    probes: int
    retry_after: float | None
    since: float | None
    cause: str | None
    generation: int
    rejected_total: int
    would_reject_total: int
    opened_total: int
    double_settled_total: int
    latest: tuple[bool, ...] = ()
