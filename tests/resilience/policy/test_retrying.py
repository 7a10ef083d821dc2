"""When a policy tries again, and what its caller gets when it does not."""

import dataclasses

import pytest

from koo.errors import CircuitOpen, DeadlineExceeded
from koo.resilience import (
    Backoff,
    BreakerConfig,
    CircuitBreaker,
    Failure,
    GaveUp,
    RetryBudget,
    RetryBudgetConfig,
    RetryClass,
    RetryConfig,
    RetryScheduled,
)
from koo.testing import running_clock

from .actors import QUICK, Dependency, policy


def named(seconds, retry_class=RetryClass.TRANSIENT):
    failure = Failure(retryable=True, trips=False, retry_after=seconds, retry_class=retry_class)
    return lambda _: failure


async def test_without_retry_there_is_one_attempt():
    dependency = Dependency(OSError())
    with pytest.raises(OSError):
        await policy().run(dependency)
    assert len(dependency.calls) == 1


async def test_the_delays_grow_up_to_the_cap():
    dependency = Dependency(OSError())
    retry = RetryConfig(max_retries=5, backoff=Backoff(base_delay=1, max_delay=5))
    with pytest.raises(OSError):
        await policy(retry=retry).run(dependency)
    assert dependency.calls == [0, 1, 3, 7, 12, 17]


async def test_the_last_error_is_raised_as_it_was_with_its_own_cause():
    error = OSError("the last one")
    error.__cause__ = LookupError("deeper")
    with pytest.raises(OSError, match="the last one") as caught:
        await policy(retry=QUICK).run(Dependency(OSError("first"), OSError("second"), error))
    assert caught.value is error
    assert isinstance(caught.value.__cause__, LookupError)
    assert caught.value.__notes__ == ["dep: gave up after 3 attempts"]


async def test_what_no_retry_can_help_is_raised_at_once():
    dependency = Dependency(ValueError("yours"))
    with pytest.raises(ValueError, match="yours") as caught:
        await policy(retry=QUICK).run(dependency)
    assert len(dependency.calls) == 1
    assert not hasattr(caught.value, "__notes__")


async def test_a_named_wait_is_waited_for_and_jittered_above():
    dependency = Dependency(OSError(), "fine")
    await policy(classify=named(20), retry=QUICK).run(dependency)
    assert dependency.calls == [0, 22]


async def test_not_one_call_goes_before_the_named_wait_is_over():
    for draw in (0.0, 0.3, 0.999):
        dependency = Dependency(OSError(), "fine")
        began = running_clock().monotonic()
        await policy(classify=named(20), retry=QUICK, random=lambda draw=draw: draw).run(dependency)
        assert dependency.calls[1] - began >= 20


async def test_a_named_wait_beyond_the_deadline_fails_at_once_with_the_time():
    dependency = Dependency(OSError("busy"))
    with pytest.raises(OSError, match="busy") as caught:
        await policy(classify=named(20), retry=QUICK, timeout=15).run(dependency)
    assert running_clock().monotonic() == 0
    assert caught.value.__notes__ == ["dep: the next attempt in 22.0 s is past the deadline"]


async def test_a_named_wait_of_hours_fails_at_once_with_the_time():
    with pytest.raises(OSError, match="busy") as caught:
        await policy(classify=named(7200), retry=QUICK).run(Dependency(OSError("busy")))
    assert running_clock().monotonic() == 0
    assert caught.value.__notes__ == ["dep: not waiting 7200 s; try then"]


async def test_a_backoff_that_would_pass_the_deadline_is_not_begun():
    dependency = Dependency(0.5, OSError())
    dependency.script = [OSError()]
    with pytest.raises(OSError):
        await policy(retry=QUICK, timeout=2.5).run(dependency)
    assert dependency.calls == [0, 1]
    assert running_clock().monotonic() == 1


async def test_a_backoff_that_would_end_with_the_deadline_is_not_begun():
    dependency = Dependency(OSError())
    with pytest.raises(OSError):
        await policy(retry=QUICK, timeout=3).run(dependency)
    assert dependency.calls == [0, 1]
    assert running_clock().monotonic() == 1


async def test_an_exhausted_budget_raises_the_real_error_at_once():
    budget = RetryBudget(RetryBudgetConfig(floor=1))
    through = policy(retry=QUICK, retry_budget=budget)
    dependency = Dependency(OSError("real"))
    with pytest.raises(OSError, match="real") as caught:
        await through.run(dependency)
    assert dependency.calls == [0, 1]
    assert "dep: no retry; the retry budget is used up" in caught.value.__notes__
    assert running_clock().monotonic() == 1


async def test_a_budget_can_be_shared():
    budget = RetryBudget(RetryBudgetConfig(floor=2))
    for name in ("a", "b"):
        await policy(name, retry=QUICK, retry_budget=budget).outcome(Dependency(OSError()))
    assert budget.stats(running_clock().monotonic()).withdrawals_total == 2
    assert budget.stats(running_clock().monotonic()).refusals_total == 1


async def test_each_policy_has_a_budget_of_its_own_unless_told_otherwise():
    first, second = policy("a", retry=QUICK), policy("b", retry=QUICK)
    assert first.retry_budget is not second.retry_budget
    assert policy("c", retry=QUICK, retry_budget=None).retry_budget is None


async def test_without_a_budget_only_the_attempts_are_counted():
    through = policy(retry=QUICK, retry_budget=None)
    for _ in range(50):
        assert (await through.outcome(Dependency(OSError()))).attempts == 3


async def test_the_budget_is_charged_on_entering_the_backoff():
    """Charged later, all who are in backoff at one moment would be invisible."""
    budget = RetryBudget()
    seen = []
    through = policy(
        retry=QUICK,
        retry_budget=budget,
        on_event=lambda event: seen.append(
            (type(event), budget.stats(running_clock().monotonic()).withdrawals_total)
        ),
    )
    await through.outcome(Dependency(OSError(), "fine"))
    assert seen == [(RetryScheduled, 1)]


@pytest.mark.parametrize(
    ("retry_class", "left"),
    [
        (RetryClass.TRANSIENT, 8),
        (RetryClass.THROTTLED, 9.3),
        (RetryClass.CONFLICT, 10),
        (RetryClass.RESOLVED, 10),
    ],
)
async def test_a_retry_is_priced_by_its_class(retry_class, left):
    budget = RetryBudget()
    await policy(classify=named(0.0, retry_class), retry=QUICK, retry_budget=budget).outcome(
        Dependency(OSError())
    )
    assert budget.stats(running_clock().monotonic()).balance == pytest.approx(left)


async def test_conflicts_are_retried_even_when_the_budget_is_used_up():
    budget = RetryBudget(RetryBudgetConfig(floor=0.1))
    through = policy(classify=named(None, RetryClass.CONFLICT), retry=QUICK, retry_budget=budget)
    assert await through.run(Dependency(OSError(), OSError(), "fine")) == "fine"


async def test_only_a_success_at_the_first_attempt_pays_in():
    budget = RetryBudget()
    through = policy(retry=QUICK, retry_budget=budget)
    await through.run(Dependency(OSError(), "fine"))
    assert budget.stats(running_clock().monotonic()).balance == 9
    await through.run(Dependency("fine"))
    await through.run(Dependency(OSError(), "fine"))
    assert budget.stats(running_clock().monotonic()).balance == pytest.approx(8.2)


async def test_a_refused_second_attempt_raises_the_first_error_with_a_note():
    gate = CircuitBreaker("breaker", BreakerConfig(failure_threshold=1), clock=running_clock())
    cause = LookupError("deeper")
    error = OSError("the real one")
    error.__cause__ = cause
    dependency = Dependency(error)
    with pytest.raises(OSError, match="the real one") as caught:
        await policy(gates=[gate], retry=QUICK).run(dependency)
    assert len(dependency.calls) == 1
    assert caught.value.__cause__ is cause
    (note,) = caught.value.__notes__
    assert note.startswith("dep: no further attempt; breaker: circuit open")


async def test_a_retry_is_told_before_its_delay_and_the_end_after_it():
    told = []
    error = OSError("busy")
    through = policy(retry=QUICK, on_event=told.append)
    with pytest.raises(OSError):
        await through.run(Dependency(error))
    assert told == [
        RetryScheduled("dep", 1, 1, error),
        RetryScheduled("dep", 2, 2, error),
        GaveUp("dep", 3, error),
    ]


async def test_a_delay_is_not_part_of_an_attempts_time():
    dependency = Dependency(OSError(), 4.0)
    retry = RetryConfig(backoff=Backoff(base_delay=10, max_delay=10))
    assert await policy(retry=retry, attempt_timeout=5).run(dependency) == "late"


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    """An error that lets nobody write on it."""

    reason: str


async def test_an_error_that_can_not_be_written_on_is_raised_all_the_same():
    through = policy(classify=named(0.0), retry=QUICK)
    with pytest.raises(Frozen) as caught:
        await through.run(Dependency(Frozen("as it is")))
    assert caught.value.__notes__ == ["dep: gave up after 3 attempts"]


async def test_one_error_raised_for_several_callers_is_retried_by_each():
    """A shared flight fails all who joined it with one and the same exception."""
    shared = OSError("one for all")
    for _ in range(5):
        dependency = Dependency(shared, "fine")
        assert await policy(retry=QUICK).run(dependency) == "fine"
        with pytest.raises(OSError):
            await policy(retry=QUICK).run(Dependency(shared))


async def test_an_error_that_is_kept_does_not_collect_notes_without_end():
    shared = OSError("one for all")
    through = policy(retry=QUICK, retry_budget=None)
    for _ in range(50):
        await through.outcome(Dependency(shared))
    assert len(shared.__notes__) == 1


async def test_the_attempts_own_timeout_is_retried():
    dependency = Dependency(9.0, "fine")
    assert await policy(retry=QUICK, attempt_timeout=2).run(dependency) == "fine"
    assert dependency.calls == pytest.approx([0, 3], abs=1e-3)
    assert dependency.cut == 1


async def test_the_last_timeout_is_raised():
    with pytest.raises(DeadlineExceeded, match=r"^dep: no answer after 2\.00 s; try again, or"):
        await policy(retry=QUICK, attempt_timeout=2).run(Dependency(9.0))


async def test_an_open_breaker_is_never_retried():
    gate = CircuitBreaker("breaker", clock=running_clock())
    gate.open_until(1, "a moment")
    with pytest.raises(CircuitOpen):
        await policy(gates=[gate], retry=QUICK).run(Dependency())
    assert running_clock().monotonic() == 0
