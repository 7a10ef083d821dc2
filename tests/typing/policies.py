"""What a type checker knows of a policy. Checked by mypy strict in the gate, never run.

An `ignore` is the negative twin: it says that the line must be an error, and mypy reports an
ignore that nothing needs.
"""

from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, assert_type

import koo
from koo.errors import Rejected
from koo.resilience import (
    Ask,
    Attempt,
    Backoff,
    BreakerConfig,
    Bulkhead,
    BulkheadConfig,
    CallOutcome,
    CircuitBreaker,
    Deadline,
    Gate,
    Permit,
    Policy,
    RetryConfig,
    State,
    Success,
)

policy = Policy(
    "orders",
    gates=[CircuitBreaker("orders"), Bulkhead("orders", BulkheadConfig(max_concurrent=5))],
    retry=RetryConfig(max_retries=2, backoff=Backoff(base_delay=0.5)),
    timeout=10.0,
)


@policy
async def load(number: int, *, eager: bool = False) -> str:
    return f"{number} {eager}"


@policy
async def pages(first: int) -> AsyncGenerator[bytes, None]:
    yield first.to_bytes()


@policy.asking(Ask(tokens=100), timeout=1.0)
async def weigh(number: int) -> float:
    return float(number)


@policy.asking(Ask(tokens=100))
async def leaves(first: int) -> AsyncGenerator[str, None]:
    yield str(first)


async def a_function_that_asks_for_more_keeps_its_signature() -> None:
    assert_type(await weigh(1), float)
    await weigh("1")  # type: ignore[arg-type]
    async for leaf in leaves(1):
        assert_type(leaf, str)
    async for attempt in policy.asking(Ask(tokens=1)):
        assert_type(attempt, Attempt)


async def a_decorated_function_keeps_its_signature() -> None:
    assert_type(await load(1, eager=True), str)
    await load("1")  # type: ignore[arg-type]
    await load(1, lazy=True)  # type: ignore[call-arg]


async def a_decorated_generator_keeps_its_items() -> None:
    async for page in pages(1):
        assert_type(page, bytes)


def only_async_functions_can_be_decorated() -> None:
    def blocking() -> int:
        return 1

    policy(blocking)  # type: ignore[arg-type]


async def a_call_gives_what_its_operation_gives() -> None:
    async def count() -> int:
        return 1

    assert_type(await policy.run(count), int)
    assert_type(await policy.run(count, Ask(tokens=100), timeout=1.0), int)
    assert_type(await policy.outcome(count), CallOutcome[int])
    await policy.run(count())  # type: ignore[arg-type]


async def an_outcome_holds_a_value_or_an_error() -> None:
    async def count() -> int:
        return 1

    ended = await policy.outcome(count)
    assert_type(ended.value, int | None)
    assert_type(ended.error, Exception | None)


async def a_block_is_an_attempt() -> None:
    async with policy.permit() as attempt:
        assert_type(attempt.number, int)
        attempt.settle(Success())
    async for attempt in policy:
        async with attempt:
            assert_type(attempt.deadline, Deadline | None)


def a_gate_answers_with_one_of_two() -> None:
    gate: Gate = CircuitBreaker("orders", BreakerConfig(failure_threshold=3))
    answer = gate.admit(Ask())
    assert_type(answer, Permit | Rejected)
    if isinstance(answer, Rejected):
        assert_type(answer.retry_after, float | None)
    else:
        answer.settle(Success())


def a_photograph_is_read_only() -> None:
    stats = CircuitBreaker("orders").stats()
    assert_type(stats.state, State)
    stats.failures = 0  # type: ignore[misc]


def the_front_door_is_typed() -> None:
    assert_type(koo.Policy("orders"), Policy)
    koo.Nothing  # type: ignore[attr-defined]  # noqa: B018


def a_stranger_can_be_a_gate() -> None:
    class Closed:
        name = "closed"

        def admit(self, ask: Ask) -> Permit | Rejected:
            return Rejected(self.name)

    Policy("orders", gates=[Closed()])
    Policy("orders", gates=[object()])  # type: ignore[list-item]


def a_classifier_judges_exceptions(plain: Callable[[], Coroutine[Any, Any, None]]) -> None:
    Policy("orders", classify=plain)  # type: ignore[arg-type]
