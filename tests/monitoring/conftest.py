"""Reports as the rooms write them, made in one line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from koo.monitoring import RULES, Memory, Now, is_configured, judge, sample_of
from koo.resilience import (
    BreakerStats,
    CheckStats,
    Distribution,
    Health,
    Histogram,
    Holder,
    LastError,
    Mode,
    Reading,
    Report,
    State,
)

NOW = 1_700_000_000.0
CONTRACT = json.loads((Path(__file__).parent.parent / "contract.json").read_text())
STATES = {Health.CIRCUIT_OPEN: State.OPEN, Health.DEGRADED: State.HALF_OPEN}
POOL = {
    "pool.size": 10, "pool.max_overflow": 20, "pool.total": 4, "pool.active": 3, "pool.idle": 1,
    "pool.overflow": 0, "pool.waiting": 0, "pool.oldest_checkout": 1.25, "checkouts_total": 7,
    "checkouts_per_second": 0.5, "checkins_total": 4, "checkins_per_second": 0.4,
    "connections_created_total": 5, "connections_closed_total": 1,
    "connections_invalidated_total": 2, "connections_recycled_total": 3, "timeouts_total": 6,
    "failure_rate": 0.25,
}  # fmt: skip
SERVICE = {
    "requests_total": 10, "successes_total": 8, "failures_total": 2, "success_rate": 0.8,
    "retries_total": 4, "last_success_at": NOW - 5, "throttled_until": NOW + 20,
    "budget.reserved": 40_000_000, "budget.remaining": 7_460_000_000,
    "budget.resets_at": NOW + 3600, "cost.last": 1_500_000, "cost.mean": 1_250_000,
}  # fmt: skip


def breaker(state=State.CLOSED, **more):
    defaults = {
        "name": "x", "state": state, "mode": Mode.NORMAL, "failures": 2, "slow": 0, "outcomes": 9,
        "failure_threshold": 5, "successes": 0, "probes": 0, "retry_after": 0.0, "since": None,
        "cause": None, "generation": 0, "rejected_total": 3, "would_reject_total": 0,
        "opened_total": 1, "double_settled_total": 0,
    }  # fmt: skip
    return BreakerStats(**defaults | more)


def distribution(name, *seconds):
    histogram = Histogram()
    for second in seconds:
        histogram.record(second)
    return Distribution(name, histogram.stats())


def database(state=Health.HEALTHY, *, readings=None, details=None, **more):
    numbers = POOL | (readings or {})
    errors = Reading("errors_total", 2, labels=(("kind", "timeout"),))
    rare = Reading("errors_total", 1, labels=(("kind", "connection"),))
    taken = [Reading(name, value) for name, value in numbers.items() if value is not None]
    defaults = {
        "component": "database",
        "kind": "database",
        "state": state,
        "breaker": breaker(STATES.get(state, State.CLOSED)),
        "check": CheckStats(True, NOW - 2, 0.003),
        "readings": (*taken, rare, errors),
        "distributions": (
            distribution("response_time", 0.002, 0.004),
            distribution("wait_time"),
        ),
        "details": details
        or {"holders": (Holder("new", "b.py:2", 0.5), Holder("old", "a.py:1", 41.0))},
    }
    return Report(**defaults | more)


def service(name="claude", state=Health.HEALTHY, *, used=(6, 10, 10), spent=2_500_000_000, **more):
    readings = [Reading(key, value) for key, value in SERVICE.items()]
    sizes = (("minute", 60), ("hour", 1000), ("day", 10_000))
    for (window, limit), count in zip(sizes, used, strict=True):
        labels = (("window", window),)
        readings += [
            Reading("limit.used", count, limit=limit, labels=labels),
            Reading("limit.remaining", limit - count, labels=labels),
            Reading("limit.reset_after", 3.5, labels=labels),
        ]
    readings.append(Reading("budget.spent", spent, limit=10_000_000_000))
    readings.append(Reading("errors_total", 2, labels=(("kind", "timeout"),)))
    details = {
        "configured": True, "model": "m", "vendor": "v", "key_variable": "K",
        "last_error": LastError("timeout", NOW - 9),
    }  # fmt: skip
    defaults = {
        "component": f"ai:{name}",
        "kind": "ai",
        "state": state,
        "breaker": breaker(STATES.get(state, State.CLOSED)),
        "readings": tuple(readings),
        "distributions": (distribution("response_time", 0.7, 1.4),),
        "details": details | more.pop("details", {}),
    }
    return Report(**defaults | more)


def without_key(name="gemini"):
    details = {"configured": False, "model": None, "last_error": None}
    return Report(
        component=f"ai:{name}", kind="ai", state=Health.MAINTENANCE, breaker=breaker(),
        details=details,
    )  # fmt: skip


class Watch:
    """Whoever looks at reports at seconds after NOW, and remembers what it saw."""

    def __init__(self, rules=RULES):
        self.rules, self.memory, self.events, self.at = rules, Memory(), [], 0.0

    def look(self, *reports, after=0.0, notices=()):
        """The judgement *after* so many seconds more, not remembered."""
        now = Now(self.at + after, NOW + self.at + after)
        samples = [sample_of(report, now) for report in reports if is_configured(report)]
        return judge(self.rules, samples, now, self.memory, notices=notices)

    def see(self, *reports, after=0.0, notices=()):
        """The alerts *after* so many seconds more; and remember."""
        judgement = self.look(*reports, after=after, notices=notices)
        self.at += after
        self.memory = judgement.memory
        self.events += judgement.events
        return judgement.alerts

    def told(self):
        """What became so until now, as ``<state> <id>``."""
        return [f"{event.alert.state} {event.alert.id}" for event in self.events]


def alerts(*reports):
    """The alerts of who sees *reports* for the first time."""
    return Watch().look(*reports).alerts


FAILED_CHECK = CheckStats(False, NOW - 2, None, "ConnectionRefusedError: nobody listens")
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def misfits(value, shape, place=""):
    """Where *value* is not as *shape* of the contract says."""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return [f"{place}: no object"]
        missing = [f"{place}.{key}: missing" for key in shape if key not in value]
        present = (key for key in shape if key in value)
        return missing + [m for key in present for m in misfits(value[key], shape[key], key)]
    return [] if _fits(value, shape) else [f"{place}: {value!r} is not {shape!r}"]


def _is_a(*types):
    return lambda value: isinstance(value, types)


# By the first word of what the contract says of a value.
WORDS = {
    "bool": _is_a(bool),
    "int": _is_a(int),
    "float": _is_a(int, float),
    "seconds": _is_a(int, float),
    "0..1": lambda value: 0 <= value <= 1,
    "ISO": lambda value: ISO.fullmatch(value) is not None,
    "decimal": lambda value: re.fullmatch(r"\d+\.\d{2,9}", value) is not None,
    "str": _is_a(str),
    "USD": _is_a(str),
    "path": _is_a(str),
    "[{task": _is_a(list),
    "{kind": _is_a(dict),
    "{documented": _is_a(dict),
    "{service": _is_a(dict),
    "as": _is_a(dict),
}


def _fits(value, word):
    if value is None:
        return "null" in word
    check = WORDS.get(re.split(r"[|,: ]", word)[0])
    return check(value) if check else value in word.split(" ")[0].split("|")


@pytest.fixture(scope="session")
def made():
    """Everything above, under one name."""
    return SimpleNamespace(**{name: it for name, it in globals().items() if name[0] != "_"})
