"""koo against the vectors that any implementation can run."""

import itertools
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime

import pytest

from koo.resilience import (
    Backoff,
    BreakerConfig,
    CheckStats,
    CircuitBreaker,
    DailyBudget,
    DailyBudgetConfig,
    Deadline,
    Limit,
    RateLimiter,
    RateLimiterConfig,
    RetryBudget,
    RetryBudgetConfig,
    RetryConfig,
    derive_health,
)
from koo.testing import FakeClock

from ..tools import call
from .reading import VECTORS, cases_of, every_step, outcome_of
from .stage import Stage

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC).timestamp()


def each_of(name):
    """One test for each case of a file."""
    cases = cases_of(name)
    return pytest.mark.parametrize("case", cases, ids=[case["name"] for case in cases])


@each_of("breaker")
def test_breaker(case):
    clock, draw = FakeClock(), case.get("draw", 0)
    config = BreakerConfig(**case.get("config", {}))
    gate = CircuitBreaker("dep", config, clock=clock, random=lambda: draw)
    Stage(gate, clock, lambda gate: asdict(gate.stats())).play(case["steps"])


@each_of("limiter")
def test_limiter(case):
    clock = FakeClock()
    config = RateLimiterConfig(tuple(Limit(**limit) for limit in case["limits"]))
    gate = RateLimiter("dep", config, clock=clock)
    Stage(gate, clock, _used).play(case["steps"])


def _used(gate):
    return {"used": [window.used for window in gate.stats().windows]}


@each_of("budget")
def test_budget(case):
    clock = FakeClock(epoch=NOON)
    gate = DailyBudget("dep", DailyBudgetConfig(1000), clock=clock)
    Stage(gate, clock, lambda gate: asdict(gate.stats())).play(case["steps"])


@each_of("retry_budget")
def test_retry_budget(case):
    budget = RetryBudget(RetryBudgetConfig(**case.get("config", {})))
    for step in case["steps"]:
        match step["do"]:
            case "deposit":
                for number in range(step["times"]):
                    budget.deposit(step["at"] + step["over"] * number / step["times"])
            case "withdraw":
                paid = [budget.withdraw(step["cost"]) for _ in range(step["times"])]
                assert sum(paid) == step["paid"]
            case "balance":
                assert step["least"] <= budget.stats(step["at"]).balance <= step["most"]
            case word:
                pytest.fail(f"no such step: {word}")


@each_of("backoff")
def test_backoff(case):
    backoff = Backoff(**case.get("config", {}))
    failure = outcome_of({"kind": "failure", **case.get("outcome", {})})
    draws = case["draw"] if isinstance(case["draw"], list) else itertools.repeat(case["draw"])
    delays = [
        backoff.delay(failure, retry, lambda draw=draw: draw)
        for retry, draw in zip(case["retries"], draws, strict=False)
    ]
    assert delays == pytest.approx(case["expect"])


@each_of("retry")
def test_retry(case):
    retry = RetryConfig(**case.get("config", {}))
    failure = outcome_of(case.get("outcome", "failure"))
    assert [retry.allows(failure, attempt) for attempt in case["attempts"]] == case["expect"]


@each_of("deadline")
def test_deadline(case):
    match case:
        case {"send": {"at": at, "now": now}, "expect": header}:
            assert Deadline(at).to_header(now) == header
        case {"receive": {"text": text, "now": now}, "expect": "error"}:
            with pytest.raises(ValueError, match="not a number of milliseconds"):
                Deadline.from_header(text, now)
        case {"receive": {"text": text, "now": now}, "expect": moment}:
            assert Deadline.from_header(text, now).at == pytest.approx(moment)


@each_of("health")
def test_health(case):
    gate = CircuitBreaker("dep", clock=FakeClock())
    for outcome, times in case.get("calls", []):
        for _ in range(times):
            call(gate, outcome_of(outcome))
    if case.get("half_open"):
        gate.half_open()
    flags = {name: case[name] for name in ("limited", "maintenance") if name in case}
    check = CheckStats(at=0.0, **case["check"]) if "check" in case else None
    assert derive_health(gate.stats(), check, **flags) == case["expect"]


def test_there_are_enough_vectors_for_a_stranger():
    names = [case["name"] for path in VECTORS.glob("*.json") for case in cases_of(path.stem)]
    assert len(names) >= 60


def test_every_name_is_given_once_in_its_file():
    for path in VECTORS.glob("*.json"):
        counts = Counter(case["name"] for case in cases_of(path.stem))
        assert max(counts.values()) == 1, path.name


def test_the_page_beside_the_vectors_names_every_file_and_every_step():
    page = (VECTORS / "README.md").read_text(encoding="utf-8")
    unnamed = [path.name for path in VECTORS.glob("*.json") if f"`{path.name}`" not in page]
    unsaid = {step["do"] for step in every_step() if f"`{step['do']}`" not in page}
    assert (unnamed, unsaid) == ([], set())


def test_every_file_here_is_run():
    run = {name for mark in _marks() for name in mark}
    assert {path.stem for path in VECTORS.glob("*.json")} == run


def _marks():
    for name, test in globals().items():
        if name.startswith("test_") and getattr(test, "pytestmark", None):
            yield {name.removeprefix("test_")}
