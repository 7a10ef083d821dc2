"""What somebody should know: rules as data, and the pure function that applies them."""

from __future__ import annotations

from .conditions import Above, Below, Burn, Condition, Forecast, Increase, Look, Rises
from .engine import AlertEvent, Judgement, Memory, judge
from .inhibition import INHIBITIONS
from .rulebook import RULES, RUNBOOKS
from .rules import Rule, Severity
from .samples import Now, Sample, sample_of
from .words import Alert, AlertState, Notice

__all__ = [
    "INHIBITIONS",
    "RULES",
    "RUNBOOKS",
    "Above",
    "Alert",
    "AlertEvent",
    "AlertState",
    "Below",
    "Burn",
    "Condition",
    "Forecast",
    "Increase",
    "Judgement",
    "Look",
    "Memory",
    "Notice",
    "Now",
    "Rises",
    "Rule",
    "Sample",
    "Severity",
    "judge",
    "sample_of",
]
