"""Numbers that are none are refused where they are given, whatever the config."""

from dataclasses import fields
from sys import float_info

import pytest

from koo.resilience import (
    Ask,
    Backoff,
    BreakerConfig,
    BulkheadConfig,
    DailyBudgetConfig,
    Limit,
    Pace,
    RateLimiterConfig,
    RetryBudgetConfig,
    RetryConfig,
    Spent,
    WindowConfig,
)
from koo.resilience.checking import is_finite

#: Every config of the floor that holds numbers, and what it can't be made without.
CONFIGS = {
    Ask: {},
    Backoff: {},
    BreakerConfig: {},
    BulkheadConfig: {"max_concurrent": 1},
    DailyBudgetConfig: {"limit_nanousd": 1},
    Limit: {"limit": 1, "per": 1.0},
    Pace: {"gap": 1.0},
    RateLimiterConfig: {"limits": (Limit(1, 1.0),)},
    RetryBudgetConfig: {},
    RetryConfig: {},
    Spent: {},
    WindowConfig: {},
}
FIELDS = [(config, field) for config in CONFIGS for field in fields(config) if field.init]
WHOLE = [(config, field.name) for config, field in FIELDS if field.type == "int"]
FINITE = [(config, field.name) for config, field in FIELDS if field.type.startswith("float")]


def named(case):
    return f"{case[0].__name__}.{case[1]}"


@pytest.mark.parametrize("case", WHOLE, ids=named)
@pytest.mark.parametrize("value", [2.5, 5.0, "5", True, None, float("inf"), float("nan")])
def test_a_count_is_a_whole_number(case, value):
    config, name = case
    with pytest.raises(ValueError) as caught:
        config(**CONFIGS[config] | {name: value})
    assert str(caught.value) == f"{config.__name__}: {name} must be a whole number, not {value!r}"


@pytest.mark.parametrize("case", FINITE, ids=named)
@pytest.mark.parametrize("value", ["5", True, float("inf"), float("-inf"), float("nan")])
def test_a_measure_is_a_finite_number(case, value):
    config, name = case
    with pytest.raises(ValueError) as caught:
        config(**CONFIGS[config] | {name: value})
    assert str(caught.value) == f"{config.__name__}: {name} must be a finite number, not {value!r}"


def test_every_number_of_every_config_is_looked_at():
    """A field of another type than these would slip through."""
    assert {field.type for _, field in FIELDS} <= {
        *("int", "float", "float | None", "Deadline | None", "Weight", "tzinfo"),
        *("WindowConfig", "Backoff", "tuple[Limit, ...]"),
    }


@pytest.mark.parametrize("config", CONFIGS)
def test_what_is_a_number_is_taken(config):
    config(**CONFIGS[config])


@pytest.mark.parametrize("sign", [1, -1])
def test_what_a_float_can_hold_is_finite(sign):
    most = sign * float_info.max
    assert is_finite(most)
    assert not is_finite(2 * int(most))


def test_nobody_has_used_less_than_nothing():
    with pytest.raises(ValueError, match="^Spent: weights can't be negative; what was not used is"):
        Spent(tokens=-1)
