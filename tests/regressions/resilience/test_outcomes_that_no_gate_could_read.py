"""A verdict or an account of the wrong type broke the gates and hid the error or the value."""

from dataclasses import replace

import pytest

from koo.resilience import (
    ONE_REQUEST,
    SUCCESS,
    Abandoned,
    Advice,
    BreakerConfig,
    Bulkhead,
    BulkheadConfig,
    CircuitBreaker,
    Failure,
    Permit,
    Policy,
    RetryClass,
    RetryConfig,
    State,
    Success,
)
from koo.testing import running_clock

FAILED = Failure(retryable=True, trips=True)


def policy(*gates, **parts):
    return Policy("dep", gates=gates, clock=running_clock(), **parts)


def room():
    return Bulkhead("room", BulkheadConfig(1), clock=running_clock())


async def broken():
    raise ConnectionResetError


async def paid():
    return "paid"


WRONG = [
    (FAILED, "retryable", "yes", "must be True or False, not 'yes'"),
    (FAILED, "retryable", None, "must be True or False, not None"),
    (FAILED, "trips", 1, "must be True or False, not 1"),
    *[
        (FAILED, "retry_after", wait, f"must be a finite number, not {wait!r}")
        for wait in ("7", True, float("nan"), float("inf"))
    ],
    (FAILED, "retry_class", "transient", "must be a RetryClass, not 'transient'; write"),
    (FAILED, "cause", None, "must be a str, not None; write"),
    *[
        (outcome, field, 123, f"must be a {kind}, not 123; write {kind}(...)")
        for outcome in (FAILED, SUCCESS, Abandoned())
        for field, kind in (("spent", "Spent"), ("advice", "Advice"))
    ],
    (Advice(), "remaining_requests", "3", "must be a whole number, not '3'"),
    (Advice(), "remaining_tokens", 2.5, "must be a whole number, not 2.5"),
    (Advice(), "reset_after", "3", "must be a finite number, not '3'"),
    (Advice(), "reset_after", float("inf"), "must be a finite number, not inf"),
]


@pytest.mark.parametrize(("value", "field", "wrong", "complaint"), WRONG)
def test_what_no_gate_could_read_is_refused_in_a_sentence(value, field, wrong, complaint):
    with pytest.raises(ValueError) as caught:
        replace(value, **{field: wrong})
    assert str(caught.value).startswith(f"{type(value).__name__}: {field} {complaint}")


def test_what_gates_can_read_is_taken():
    told = Advice(0, 5, 2.5)
    failure = Failure(True, False, 7, RetryClass.THROTTLED, advice=told)
    assert (failure.retry_after, failure.advice.is_exhausted) == (7, True)
    assert Failure(retryable=True, trips=True, retry_after=-1).retry_after == -1


async def test_a_header_as_a_string_does_not_hide_the_error():
    place = room()
    through = policy(
        place,
        classify=lambda _: Failure(retryable=True, trips=True, retry_after="7"),
        retry=RetryConfig(),
    )
    with pytest.raises(ConnectionResetError) as caught:
        await through.run(broken)
    assert caught.value.__notes__ == ["dep: the classifier raised ValueError; mend it"]
    assert place.stats().in_flight == 0


@pytest.mark.parametrize(
    "appraise",
    [lambda _: Success(spent=123), lambda _: Success(advice=Advice(reset_after="3"))],
)
async def test_an_account_of_the_wrong_type_does_not_cost_the_value(appraise):
    place = room()
    through = policy(place, appraise=appraise)
    assert await through.run(paid) == "paid"
    assert (place.stats().in_flight, through.stats().appraiser_errors_total) == (0, 1)


@pytest.mark.parametrize("word", ["failed", None, FAILED.retry_class, Success])
async def test_an_attempt_ends_only_as_an_outcome(word):
    place = room()
    with pytest.raises(ValueError, match="^Policy 'dep': an attempt ends as a Success, a Failure"):
        async with policy(place).permit() as attempt:
            attempt.settle(word)
    assert place.stats().in_flight == 0


class BrokenGate:
    """A gate of a user that raises whenever it is told of an end."""

    double_settled_total = 0

    def __init__(self, name="broken"):
        self.name = name

    def admit(self, ask):
        return Permit(self, ask, 0.0, 0)

    def settled(self, permit, outcome):
        raise LookupError("a gate's own mistake")

    def cancelled(self, permit):
        raise LookupError("a gate's own mistake")


async def test_a_gate_that_raises_keeps_nobody_from_the_value():
    place = room()
    through = policy(BrokenGate(), place, BrokenGate("other"))
    assert await through.run(paid) == "paid"
    assert (place.stats().in_flight, through.stats().gate_errors_total) == (0, 2)


async def test_a_gate_that_raises_hides_neither_the_error_nor_its_end():
    place = room()
    breaker = CircuitBreaker("dep", BreakerConfig(failure_threshold=1), clock=running_clock())
    through = policy(BrokenGate(), place, breaker, BrokenGate("other"))
    with pytest.raises(ConnectionResetError):
        await through.run(broken)
    assert (place.stats().in_flight, breaker.stats().state) == (0, State.OPEN)
    assert through.stats().gate_errors_total == 2


async def test_a_gate_that_raises_keeps_no_other_from_its_permit_back():
    place = room()
    through = policy(place, BrokenGate(), Bulkhead("x", BulkheadConfig(1), clock=running_clock()))
    held = through.gates[2].admit(ONE_REQUEST)
    assert (await through.outcome(paid)).error.gate == "x"
    assert (place.stats().in_flight, through.stats().gate_errors_total) == (0, 1)
    held.cancel()


@pytest.mark.parametrize("account", ["cheap", FAILED, Abandoned()])
async def test_an_answer_whose_account_is_none_is_still_a_success(account):
    place = room()
    through = policy(place, appraise=lambda _: account)
    assert await through.run(paid) == "paid"
    stats = through.stats()
    assert (stats.successes_total, stats.appraiser_errors_total) == (1, 1)
