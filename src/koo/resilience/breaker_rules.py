"""Why a circuit breaker opens. Arithmetic on its window; nothing moves here.

enough slow calls, finished or in flight --------------------+
enough failures, and their share of the window --------------+--> a sentence, else None
enough failures of the window in a row, over some time ------+
a probe that failed, or was slow ----------------------------+
"""

from __future__ import annotations

from .breaker_config import BreakerConfig
from .checking import is_finite
from .outcome import Failure, Outcome, last_cause
from .window import OutcomeWindow

__all__ = ["check_lease", "check_wait", "why_failing", "why_probe_failed", "why_slow"]


def why_failing(
    config: BreakerConfig, window: OutcomeWindow, outcome: Outcome, now: float
) -> str | None:
    """Why the failures in *window*, the last of them *outcome*, open a closed breaker."""
    if not _trips(outcome):
        return None
    tally = window.tally(now)
    # A run counts only as far as the window reaches: what is older is no evidence of today.
    if tally.failures < config.failure_threshold:
        return None
    if tally.failures >= config.failure_rate * tally.outcomes:
        return f"{tally.failures} of the last {tally.outcomes} attempts failed{last_cause(outcome)}"
    is_run = window.streak >= config.failure_threshold
    if is_run and now - window.streak_since >= config.streak_span:
        return f"{window.streak} attempts in a row failed{last_cause(outcome)}"
    return None


def why_slow(config: BreakerConfig, window: OutcomeWindow, overdue: int, now: float) -> str | None:
    """Why slow calls open a closed breaker: in *window*, or *overdue* in flight."""
    if config.slow_threshold is None:
        return None
    tally = window.tally(now)
    if not config.too_many_slow(tally.slow + overdue, tally.outcomes + overdue):
        return None
    return f"calls take longer than {config.slow_threshold:g} s"


def why_probe_failed(config: BreakerConfig, outcome: Outcome, seconds: float) -> str | None:
    """Why a probe that ended with *outcome* after so many *seconds* opens the breaker again."""
    if _trips(outcome):
        return f"a probe failed{last_cause(outcome)}"
    if config.is_slow(seconds):
        return f"a probe took {seconds:.1f} s, longer than {config.slow_threshold:g} s"
    return None


def check_wait(breaker: str, seconds: float) -> None:
    """Raise ValueError unless *breaker* can stay open for *seconds*."""
    if not (is_finite(seconds) and seconds >= 0):
        message = (
            f"CircuitBreaker {breaker!r}: it can't stay open for {seconds!r} seconds; name 0 or"
            " more, or isolate it to keep it open without an end"
        )
        raise ValueError(message)


def check_lease(breaker: str, seconds: float) -> None:
    """Raise ValueError unless a probe of *breaker* can be leased for *seconds*."""
    if not (is_finite(seconds) and seconds > 0):
        message = (
            f"CircuitBreaker {breaker!r}: a probe can't be leased for {seconds!r} seconds; name the"
            " most that an attempt may take"
        )
        raise ValueError(message)


def _trips(outcome: Outcome) -> bool:
    return isinstance(outcome, Failure) and outcome.trips
