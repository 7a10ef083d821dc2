"""What a policy says of itself, and which policies can't be."""

import pytest

from koo.errors import RateLimited
from koo.resilience import (
    Ask,
    Backoff,
    BreakerConfig,
    Bulkhead,
    BulkheadConfig,
    CallOutcome,
    CircuitBreaker,
    DailyBudget,
    DailyBudgetConfig,
    Deadline,
    Limit,
    Policy,
    RateLimiter,
    RateLimiterConfig,
    RetryBudget,
    RetryConfig,
)
from koo.resilience.policy.compose import Parts
from koo.testing import running_clock

from .actors import QUICK, Dependency, policy

GATE = CircuitBreaker("breaker")
LINED = Bulkhead("bulkhead", BulkheadConfig(1))


@pytest.mark.parametrize(
    ("parts", "complaint"),
    [
        ({"timeout": 0}, "timeout must be above 0 seconds; leave it out for none"),
        (
            {"timeout": float("nan")},
            "timeout must be a finite number, not nan; leave it out for none",
        ),
        (
            {"timeout": float("inf")},
            "timeout must be a finite number, not inf; leave it out for none",
        ),
        ({"timeout": True}, "timeout must be a finite number, not True; leave it out for none"),
        (
            {"attempt_timeout": "5"},
            "attempt_timeout must be a finite number, not '5'; leave it out for none",
        ),
        (
            {"gates": [CircuitBreaker]},
            (
                "CircuitBreaker is a class and no gate;"
                " make one of it, as CircuitBreaker('orders', ...)"
            ),
        ),
        ({"gates": [5]}, "5 is no gate; a gate has a name and the method admit(ask)"),
        (
            {"gates": [BreakerConfig]},
            "BreakerConfig is a class and no gate; make one of it, as BreakerConfig('orders', ...)",
        ),
        ({"gates": "ab"}, "'a' is no gate; a gate has a name and the method admit(ask)"),
        ({"retry": 3}, "retry must be a RetryConfig, not 3; write RetryConfig()"),
        (
            {"retry": RetryConfig(), "retry_budget": True},
            "retry_budget must be a RetryBudget; leave it out for the usual one",
        ),
        (
            {"retry_budget": RetryBudget()},
            "retry_budget pays for nothing without retry; add retry or leave it out",
        ),
        ({"attempt_timeout": -1}, "attempt_timeout must be above 0 seconds; leave it out for none"),
        (
            {"patience": -0.1},
            "patience can't be negative; use 0 seconds never to wait in line",
        ),
        (
            {"patience": float("nan")},
            "patience must be a finite number, not nan; leave it out for none",
        ),
        (
            {"timeout": 5, "attempt_timeout": 6},
            "attempt_timeout is longer than timeout and would never be reached; lower it",
        ),
        (
            {"timeout": 5, "patience": 6},
            "patience is longer than timeout and would never be used up; lower it",
        ),
        (
            {"timeout": 5, "retry": RetryConfig(backoff=Backoff(base_delay=10))},
            "the first backoff is mostly longer than timeout; lower base_delay or raise timeout",
        ),
        (
            {"gates": [GATE, GATE]},
            "the same gate stands in it twice and would count every call twice; name it once",
        ),
        (
            {"gates": [CircuitBreaker("a"), CircuitBreaker("a")]},
            "two gates of one kind have the same name; give each its own",
        ),
        (
            {"gates": [CircuitBreaker(""), CircuitBreaker("a"), CircuitBreaker("a")]},
            "two gates of one kind have the same name; give each its own",
        ),
    ],
)
def test_a_composition_that_makes_no_sense_is_refused_with_a_sentence(parts, complaint):
    with pytest.raises(ValueError) as caught:
        Policy("dep", **parts)
    assert str(caught.value) == f"Policy 'dep': {complaint}"


def test_a_gate_without_a_name_is_refused():
    misnamed, nameless = CircuitBreaker("dep"), CircuitBreaker("dep")
    misnamed.name = BreakerConfig()
    del nameless.name
    for gate in (misnamed, nameless):
        with pytest.raises(ValueError, match="is no gate; a gate has a name and the method admit"):
            Policy("dep", gates=[gate])


def test_a_policy_is_not_named_with_a_number():
    with pytest.raises(ValueError, match="^Policy 5: its name must be a string; messages and met"):
        Policy(5)


def test_a_policy_without_retry_needs_no_budget_for_it():
    assert Policy("dep").retry_budget is None
    assert Policy("dep", retry=RetryConfig()).retry_budget is not None


def test_a_policy_without_a_name_is_refused():
    with pytest.raises(
        ValueError, match="^Policy '': it has no name; give one for messages and metrics$"
    ):
        Policy("")


@pytest.mark.parametrize(
    "parts",
    [
        {"gates": [LINED], "timeout": 5, "attempt_timeout": 5, "patience": 5},
        {"timeout": 5, "retry": RetryConfig(backoff=Backoff(base_delay=9.9))},
        {"timeout": 5, "retry": RetryConfig(max_retries=0, backoff=Backoff(base_delay=20))},
        {"retry": RetryConfig(backoff=Backoff(base_delay=20))},
        {"timeout": 5},
        {"gates": [CircuitBreaker("a"), CircuitBreaker("b")]},
        {"gates": [CircuitBreaker("a"), Bulkhead("a", BulkheadConfig(1))]},
        {"gates": [CircuitBreaker(""), CircuitBreaker("")]},
    ],
)
def test_a_composition_that_makes_sense_is_accepted(parts):
    Policy("dep", **parts)


def test_a_policy_explains_itself_in_the_order_of_the_journey():
    full = Policy(
        "claude",
        gates=[
            CircuitBreaker("claude"),
            RateLimiter("key", RateLimiterConfig((Limit(60, 60),))),
            DailyBudget("money", DailyBudgetConfig(10)),
        ],
        retry=RetryConfig(max_retries=3, backoff=Backoff(base_delay=0.5, max_delay=20)),
        timeout=60,
        attempt_timeout=15,
        patience=10,
    )
    assert full.explain().splitlines() == [
        "claude:",
        "  deadline: the whole call takes at most 60 s",
        "  gate: CircuitBreaker 'claude' admits",
        "  gate: RateLimiter 'key' admits",
        "  gate: DailyBudget 'money' admits",
        "  line: who is refused for now waits at most 10 s",
        "  attempt: at most 15 s each",
        "  settle: every permit learns how the attempt ended",
        (
            "  retry: at most 3 times, within a retry budget, after up to 0.5 s x 2 each time,"
            " 20 s at most"
        ),
        "    throttled: after up to 2.5 s x 2 each time, 40 s at most",
        "    in conflict: after up to 0.025 s x 2 each time, 1 s at most",
        "    a named wait: after that and a little; never if above 120 s",
    ]


def test_the_shortest_explanation():
    assert Policy("plain").explain().splitlines() == [
        "plain:",
        "  settle: every permit learns how the attempt ended",
        "  retry: never",
    ]


def test_an_explanation_says_that_there_is_no_budget():
    explained = Policy("dep", retry=RetryConfig(), retry_budget=None).explain()
    assert explained.splitlines()[2] == (
        "  retry: at most 3 times, without a retry budget, after up to 1 s x 2 each time,"
        " 30 s at most"
    )


def test_an_explanation_says_who_waits_without_a_deadline_of_ones_own():
    explained = Policy("dep", gates=[Bulkhead("b", BulkheadConfig(1))]).explain()
    assert explained.splitlines() == [
        "dep:",
        "  gate: Bulkhead 'b' admits",
        (
            "  line: who is refused for now waits as long as a deadline of the caller's allows,"
            " and not at all without one"
        ),
        "  settle: every permit learns how the attempt ended",
        "  retry: never",
    ]


def test_an_explanation_says_how_long_the_line_is_by_default():
    explained = Policy("dep", gates=[Bulkhead("b", BulkheadConfig(1))], timeout=5).explain()
    assert "  line: who is refused for now waits as long as the deadline allows" in explained


async def test_the_outcome_of_a_success():
    ended = await policy(retry=QUICK).outcome(Dependency(OSError(), "fine"))
    assert (ended.ok, ended.value, ended.error) == (True, "fine", None)
    assert (ended.attempts, ended.waited) == (2, 1)


async def test_the_outcome_of_a_failure():
    error = OSError("mine")
    ended = await policy(retry=QUICK).outcome(Dependency(error))
    assert (ended.ok, ended.value, ended.error) == (False, None, error)
    assert (ended.attempts, ended.waited, ended.retry_after) == (3, 3, None)


async def test_the_outcome_of_a_refusal():
    gate = RateLimiter("limiter", RateLimiterConfig((Limit(1, 60),)), clock=running_clock())
    gate.pause(30)
    ended = await policy(gates=[gate]).outcome(Dependency())
    assert isinstance(ended.error, RateLimited)
    assert (ended.ok, ended.attempts, ended.waited) == (False, 0, 0)
    assert (ended.error.gate, ended.retry_after) == ("limiter", 30)


async def test_the_outcome_of_a_refusal_at_once():
    gate = CircuitBreaker("breaker", clock=running_clock())
    gate.open_until(30, "busy")
    ended = await policy(gates=[gate]).outcome(Dependency())
    assert (ended.attempts, ended.error.gate, ended.retry_after) == (0, "breaker", 30)
    assert ended.waited == 0


async def test_the_outcome_counts_only_attempts_that_were_made():
    gate = CircuitBreaker("breaker", clock=running_clock())

    async def operation():
        gate.isolate("by hand")
        raise OSError("mine")

    ended = await policy(gates=[gate], retry=QUICK).outcome(operation)
    assert isinstance(ended.error, OSError)
    assert ended.attempts == 1


async def test_the_outcome_of_a_call_that_was_too_late_to_begin():
    ended = await policy().outcome(Dependency(), Ask(deadline=Deadline(0)))
    assert (ended.ok, ended.attempts) == (False, 0)


async def test_the_outcome_of_a_call_that_may_take_another_time():
    ended = await policy(timeout=1).outcome(Dependency(2.0), timeout=3)
    assert ended.ok


def test_an_outcome_can_be_read_in_a_log():
    assert repr(CallOutcome("fine", None, 2, 1.5)) == (
        "CallOutcome(value='fine', error=None, attempts=2, waited=1.500)"
    )


def test_a_patience_of_nothing_is_explained():
    gates = [Bulkhead("b", BulkheadConfig(1))]
    assert "  line: nobody waits in it" in Policy("p", gates=gates, patience=0).explain()


@pytest.mark.parametrize("name", [name for name in Parts.__slots__ if not name.startswith("__")])
def test_no_part_of_a_policy_can_be_replaced(name):
    through = Policy("dep", timeout=5)
    before = getattr(through, name)
    with pytest.raises(AttributeError) as caught:
        setattr(through, name, None)
    assert str(caught.value) == f"Policy 'dep': {name} can't be changed; make another policy"
    assert getattr(through, name) is before


def test_no_part_of_a_policy_can_be_taken_away():
    through = Policy("dep", timeout=5)
    with pytest.raises(AttributeError, match="gates can't be changed; make another policy"):
        del through.gates
    assert through.gates == ()


def test_a_list_of_gates_that_grows_later_changes_no_policy():
    gates = []
    through = Policy("dep", gates=gates)
    gates.append(CircuitBreaker("late"))
    assert through.gates == ()
