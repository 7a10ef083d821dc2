"""What is no part at all is refused in a sentence where it is given, not by the first call."""

from datetime import UTC

import pytest

from koo.resilience import (
    Ask,
    BreakerConfig,
    Bulkhead,
    BulkheadConfig,
    CircuitBreaker,
    DailyBudget,
    DailyBudgetConfig,
    Limit,
    Policy,
    RateLimiter,
    RateLimiterConfig,
    RetryBudget,
    RetryConfig,
)

LIMIT = Limit(1, 1.0)
CLOCK = (
    "clock must have monotonic(), time() and sleep(), not be {}; leave it out for the machine's own"
)
FUNCTION = "{} must be a function, not {}; leave it out for the usual one"


class Shown(CircuitBreaker):
    """A gate with a short name for itself."""

    def __repr__(self):
        return "<a breaker>"


@pytest.mark.parametrize(
    ("parts", "complaint"),
    [
        ({"gates": Shown("dep")}, "gates must be a list, not <a breaker>; write gates=[...]"),
        ({"gates": None}, "gates must be a list, not None; write gates=[...]"),
        ({"classify": None}, FUNCTION.format("classify", None)),
        ({"appraise": 3}, FUNCTION.format("appraise", 3)),
        ({"random": 0.5}, FUNCTION.format("random", 0.5)),
        ({"on_event": []}, FUNCTION.format("on_event", [])),
        ({"clock": None}, CLOCK.format(None)),
    ],
)
def test_a_policy_says_what_is_no_part_of_it(parts, complaint):
    with pytest.raises(ValueError) as caught:
        Policy("dep", **parts)
    assert str(caught.value) == f"Policy 'dep': {complaint}"


GATES = {
    CircuitBreaker: BreakerConfig(),
    Bulkhead: BulkheadConfig(1),
    DailyBudget: DailyBudgetConfig(1),
    RateLimiter: RateLimiterConfig((LIMIT,)),
}


@pytest.mark.parametrize("kind", GATES)
def test_a_gate_says_what_is_no_part_of_it(kind):
    name, config = kind.__name__, GATES[kind]
    kinds = type(config).__name__
    for given, complaint in [
        (
            ((config, config), {}),
            f"{name}: name must be a string, not {config!r}; messages and metrics show it",
        ),
        (
            (("dep", 3), {}),
            f"{name} 'dep': config must be a {kinds}, not 3; write {kinds}(...)",
        ),
        ((("dep", config), {"clock": None}), f"{name} 'dep': {CLOCK.format(None)}"),
    ]:
        args, keywords = given
        with pytest.raises(ValueError) as caught:
            kind(*args, **keywords)
        assert str(caught.value) == complaint


@pytest.mark.parametrize("part", ["random", "on_event"])
def test_what_a_breaker_calls_is_a_function(part):
    with pytest.raises(ValueError) as caught:
        CircuitBreaker("dep", **{part: None})
    assert str(caught.value) == f"CircuitBreaker 'dep': {FUNCTION.format(part, None)}"


def test_whom_a_limiter_tells_is_a_function():
    with pytest.raises(ValueError, match="on_event must be a function, not None"):
        RateLimiter("dep", RateLimiterConfig((LIMIT,)), on_event=None)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (
            lambda: BreakerConfig(window=3),
            "BreakerConfig: window must be a WindowConfig, not 3; write WindowConfig(...)",
        ),
        (
            lambda: RetryConfig(backoff=2.0),
            "RetryConfig: backoff must be a Backoff, not 2.0; write Backoff(...)",
        ),
        (
            lambda: RetryBudget(10),
            "RetryBudget: config must be a RetryBudgetConfig, not 10; write RetryBudgetConfig(...)",
        ),
        (
            lambda: RetryBudget(0),
            "RetryBudget: config must be a RetryBudgetConfig, not 0; write RetryBudgetConfig(...)",
        ),
        (
            lambda: RateLimiterConfig(LIMIT),
            f"RateLimiterConfig: limits must be a tuple, not {LIMIT!r}; write (Limit(...),)",
        ),
        (
            lambda: RateLimiterConfig((60,)),
            "RateLimiterConfig: each of limits must be a Limit, not 60; write Limit(...)",
        ),
        (
            lambda: DailyBudgetConfig(1, zone="UTC"),
            "DailyBudgetConfig: zone must be a tzinfo, not 'UTC'; write ZoneInfo(...)",
        ),
        (
            lambda: Ask(deadline=5.0),
            "Ask: deadline must be a Deadline, not 5.0; write Deadline(...)",
        ),
    ],
)
def test_a_config_says_what_is_no_part_of_it(make, complaint):
    with pytest.raises(ValueError) as caught:
        make()
    assert str(caught.value) == complaint


def test_parts_that_are_what_they_must_be_are_taken():
    DailyBudgetConfig(1, zone=UTC)
    RateLimiter("dep", RateLimiterConfig((LIMIT, Limit(5, 10.0))))
    Policy("dep", gates=(gate for gate in [CircuitBreaker("dep")]), appraise=lambda _: None)
