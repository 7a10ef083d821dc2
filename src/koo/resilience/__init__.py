"""The resilience floor: decides without waiting. Standard library only.

A call passes gates; each answers at once with a permit or a refusal; the attempt
ends in an outcome; every permit is settled with it, exactly once. Only
:class:`Policy` awaits.
"""

from .breaker import CircuitBreaker
from .breaker_config import BreakerConfig, BreakerStats, Mode, State
from .budget import DailyBudget, DailyBudgetConfig, DailyBudgetStats
from .bulkhead import Bulkhead, BulkheadConfig, BulkheadStats
from .classifier import classify_by_type
from .clock import RANDOM, SYSTEM_CLOCK, Clock, Random
from .component import (
    CheckStats,
    Component,
    Distribution,
    Health,
    Holder,
    LastError,
    Reading,
    Report,
    derive_health,
)
from .deadline import Deadline, current_attempt, current_deadline, detached
from .events import (
    LISTENER_ERRORS,
    CallRejected,
    ConfigurationChanged,
    ConnectionEvent,
    Event,
    GaveUp,
    HealthChecked,
    LimitPaused,
    Listener,
    ModeChanged,
    OperatorAction,
    RetryScheduled,
    StateChanged,
    StateRenewed,
    fan_out,
    ignore,
    tell,
)
from .gate import Gate, Permit
from .limiter import Limit, LimitStats, RateLimiter, RateLimiterConfig, RateLimiterStats
from .line import LinedGate, Waiter
from .measure import Counter, Histogram, HistogramStats, RollingCount
from .outcome import (
    ABANDONED,
    ONE_REQUEST,
    SUCCESS,
    Abandoned,
    Advice,
    Appraiser,
    Ask,
    Classifier,
    Failure,
    Outcome,
    RetryClass,
    Spent,
    Success,
)
from .policy import Asking, Attempt, CallOutcome, Pace, Policy, PolicyStats
from .retry import Backoff, RetryBudget, RetryBudgetConfig, RetryBudgetStats, RetryConfig
from .store import MemoryStore, Store
from .window import OutcomeWindow, Tally, WindowConfig

__all__ = [
    "ABANDONED",
    "LISTENER_ERRORS",
    "ONE_REQUEST",
    "RANDOM",
    "SUCCESS",
    "SYSTEM_CLOCK",
    "Abandoned",
    "Advice",
    "Appraiser",
    "Ask",
    "Asking",
    "Attempt",
    "Backoff",
    "BreakerConfig",
    "BreakerStats",
    "Bulkhead",
    "BulkheadConfig",
    "BulkheadStats",
    "CallOutcome",
    "CallRejected",
    "CheckStats",
    "CircuitBreaker",
    "Classifier",
    "Clock",
    "Component",
    "ConfigurationChanged",
    "ConnectionEvent",
    "Counter",
    "DailyBudget",
    "DailyBudgetConfig",
    "DailyBudgetStats",
    "Deadline",
    "Distribution",
    "Event",
    "Failure",
    "Gate",
    "GaveUp",
    "Health",
    "HealthChecked",
    "Histogram",
    "HistogramStats",
    "Holder",
    "LastError",
    "Limit",
    "LimitPaused",
    "LimitStats",
    "LinedGate",
    "Listener",
    "MemoryStore",
    "Mode",
    "ModeChanged",
    "OperatorAction",
    "Outcome",
    "OutcomeWindow",
    "Pace",
    "Permit",
    "Policy",
    "PolicyStats",
    "Random",
    "RateLimiter",
    "RateLimiterConfig",
    "RateLimiterStats",
    "Reading",
    "Report",
    "RetryBudget",
    "RetryBudgetConfig",
    "RetryBudgetStats",
    "RetryClass",
    "RetryConfig",
    "RetryScheduled",
    "RollingCount",
    "Spent",
    "State",
    "StateChanged",
    "StateRenewed",
    "Store",
    "Success",
    "Tally",
    "Waiter",
    "WindowConfig",
    "classify_by_type",
    "current_attempt",
    "current_deadline",
    "derive_health",
    "detached",
    "fan_out",
    "ignore",
    "tell",
]
