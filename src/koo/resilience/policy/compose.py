"""The parts of a policy, which compositions of them make sense, and how to say one in words."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NoReturn

from ..checking import check_functions, is_a, is_finite
from ..classifier import classify_by_type
from ..clock import RANDOM, SYSTEM_CLOCK, Clock, Random, check_clock
from ..events import Listener, ignore
from ..gate import Gate, LeasingGate
from ..line import LinedGate
from ..outcome import Appraiser, Classifier, RetryClass
from ..retry import Backoff, RetryBudget, RetryConfig
from ..timers import Lane, lane_for
from .stats import Memory, PolicyStats

__all__ = ["Parts", "check_timeout", "explain"]

_OWN: Final = RetryBudget()


class Parts:
    """What a policy is made of, and what it remembers of its calls."""

    __slots__ = (
        "__weakref__",
        "_classify",
        "_on_event",
        "_random",
        "appraise",
        "attempt_timeout",
        "clock",
        "gates",
        "lane_timeout",
        "memory",
        "monotonic",
        "name",
        "patience",
        "retry",
        "retry_budget",
        "timeout",
    )

    name: str
    gates: tuple[Gate, ...]
    retry: RetryConfig | None
    retry_budget: RetryBudget | None
    timeout: float | None
    attempt_timeout: float | None
    patience: float | None
    appraise: Appraiser | None
    clock: Clock
    monotonic: Callable[[], float]
    lane_timeout: float | None
    memory: Memory
    _classify: Classifier
    _random: Random
    _on_event: Listener

    def __init__(  # noqa: PLR0913 - one keyword for each thing that a call can meet
        self,
        name: str,
        *,
        gates: Sequence[Gate] = (),
        classify: Classifier = classify_by_type,
        appraise: Appraiser | None = None,
        retry: RetryConfig | None = None,
        retry_budget: RetryBudget | None = _OWN,
        timeout: float | None = None,
        attempt_timeout: float | None = None,
        patience: float | None = None,
        clock: Clock = SYSTEM_CLOCK,
        random: Random = RANDOM,
        on_event: Listener = ignore,
    ) -> None:
        functions = {"classify": classify, "random": random, "on_event": on_event}
        if appraise is not None:
            functions["appraise"] = appraise
        _check_parts(name, gates, clock, **functions)
        if retry_budget is _OWN:
            retry_budget = RetryBudget() if retry else None
        _fix(self, name=name, gates=tuple(gates), _classify=classify, appraise=appraise)
        _fix(self, retry=retry, retry_budget=retry_budget, patience=patience)
        _fix(self, timeout=timeout, attempt_timeout=attempt_timeout)
        _check_composition(self)
        _fix(self, lane_timeout=timeout if attempt_timeout is None else attempt_timeout)
        _fix(self, clock=clock, monotonic=clock.monotonic, _random=random, _on_event=on_event)
        _fix(self, memory=Memory())
        for gate in self.gates:
            if self.lane_timeout is not None and isinstance(gate, LeasingGate):
                gate.lease_for(self.lane_timeout)

    def __setattr__(self, name: str, _: object) -> NoReturn:
        """A policy never changes: raises AttributeError."""
        raise AttributeError(f"Policy {self.name!r}: {name} can't be changed; make another policy")

    def __delattr__(self, name: str) -> NoReturn:
        """A policy never changes: raises AttributeError."""
        self.__setattr__(name, None)

    def stats(self) -> PolicyStats:
        """A photograph."""
        return self.memory.stats(self.name)

    def open_lane(self, loop: AbstractEventLoop, timeout: float) -> Lane:
        """The lane for this policy's timeout on *loop*."""
        self.memory.lane = lane = lane_for(loop, timeout, self.clock)
        return lane


def _fix(made: Parts, **parts: object) -> None:
    for name, part in parts.items():
        object.__setattr__(made, name, part)


def _check_parts(name: str, gates: object, clock: object, **functions: object) -> None:
    """Raise ValueError, in one sentence, for parts that are no such parts at all."""
    owner = f"Policy {name!r}"
    if not is_a(gates, Iterable):
        raise ValueError(f"{owner}: gates must be a list, not {gates!r}; write gates=[...]")
    check_clock(owner, clock)
    check_functions(owner, **functions)


def check_timeout(name: str, timeout: float | None) -> None:
    """Raise ValueError, in the constructor's sentence, for a call's *timeout* that is no time.

    One of 0 seconds or fewer is a time, which is over.
    """
    if timeout is not None and not is_finite(timeout):
        raise ValueError(f"Policy {name!r}: {_not_finite('timeout', timeout)}")


def _check_composition(policy: Parts) -> None:
    """Raise ValueError, in one sentence, for a composition that can't work as it reads."""
    for check in (_unnamed, _no_gate, _bad_number, _bad_time, _no_line, _bad_retry, _twice):
        if complaint := check(policy):
            message = f"Policy {policy.name!r}: {complaint}"
            raise ValueError(message)


def explain(policy: Parts) -> str:
    """The journey of a call, one line a step, outermost first."""
    steps = [f"{policy.name}:"]
    if policy.timeout is not None:
        steps.append(f"  deadline: the whole call takes at most {policy.timeout:g} s")
    steps += [f"  gate: {type(gate).__name__} {gate.name!r} admits" for gate in policy.gates]
    if _has_a_line(policy):
        steps.append(f"  line: {_explain_line(policy)}")
    if policy.attempt_timeout is not None:
        steps.append(f"  attempt: at most {policy.attempt_timeout:g} s each")
    steps.append("  settle: every permit learns how the attempt ended")
    steps += [f"  {step}" for step in _explain_retry(policy)]
    return "\n".join(steps)


def _has_a_line(policy: Parts) -> bool:
    return any(isinstance(gate, LinedGate) for gate in policy.gates)


def _explain_line(policy: Parts) -> str:
    waits = "who is refused for now waits"
    if policy.patience == 0:
        return "nobody waits in it"
    if policy.patience is not None:
        return f"{waits} at most {policy.patience:g} s"
    if policy.timeout is not None:
        return f"{waits} as long as the deadline allows"
    return f"{waits} as long as a deadline of the caller's allows, and not at all without one"


def _explain_retry(policy: Parts) -> list[str]:
    retry = policy.retry
    if retry is None or not retry.max_retries:
        return ["retry: never"]
    budget = "within a retry budget" if policy.retry_budget else "without a retry budget"
    delay = _explain_delay(retry.backoff, RetryClass.TRANSIENT)
    throttled = _explain_delay(retry.backoff, RetryClass.THROTTLED)
    conflict = _explain_delay(retry.backoff, RetryClass.CONFLICT)
    return [
        f"retry: at most {retry.max_retries} times, {budget}, after {delay}",
        f"  throttled: after {throttled}",
        f"  in conflict: after {conflict}",
        f"  a named wait: after that and a little; never if above {retry.max_retry_after:g} s",
    ]


def _explain_delay(backoff: Backoff, retry_class: RetryClass) -> str:
    return (
        f"up to {backoff.ceiling(1, retry_class):g} s x {backoff.multiplier:g} each time,"
        f" {backoff.max_delay * retry_class.cap_scale:g} s at most"
    )


def _unnamed(policy: Parts) -> str | None:
    if not is_a(policy.name, str):
        return "its name must be a string; messages and metrics show it"
    return None if policy.name else "it has no name; give one for messages and metrics"


def _no_gate(policy: Parts) -> str | None:
    for gate in policy.gates:
        if isinstance(gate, type):
            name = gate.__name__
            return f"{name} is a class and no gate; make one of it, as {name}('orders', ...)"
        if not (callable(getattr(gate, "admit", None)) and is_a(getattr(gate, "name", None), str)):
            return f"{gate!r} is no gate; a gate has a name and the method admit(ask)"
    return None


def _bad_number(policy: Parts) -> str | None:
    for name in ("timeout", "attempt_timeout", "patience"):
        value = getattr(policy, name)
        if value is not None and (complaint := _not_finite(name, value)):
            return complaint
    return None


def _not_finite(name: str, value: object) -> str | None:
    if is_finite(value):
        return None
    return f"{name} must be a finite number, not {value!r}; leave it out for none"


def _bad_time(policy: Parts) -> str | None:
    for name in ("timeout", "attempt_timeout"):
        value = getattr(policy, name)
        if value is not None and not value > 0:
            return f"{name} must be above 0 seconds; leave it out for none"
    if policy.patience is not None and not policy.patience >= 0:
        return "patience can't be negative; use 0 seconds never to wait in line"
    timeout = policy.timeout
    if timeout is None:
        return None
    if policy.attempt_timeout is not None and policy.attempt_timeout > timeout:
        return "attempt_timeout is longer than timeout and would never be reached; lower it"
    if policy.patience is not None and policy.patience > timeout:
        return "patience is longer than timeout and would never be used up; lower it"
    return None


def _no_line(policy: Parts) -> str | None:
    if not policy.patience or _has_a_line(policy):
        return None
    return "patience is for a line, and none of its gates has one; leave it out"


def _bad_retry(policy: Parts) -> str | None:
    if not is_a(policy.retry, RetryConfig | None):
        return f"retry must be a RetryConfig, not {policy.retry!r}; write RetryConfig()"
    if not is_a(policy.retry_budget, RetryBudget | None):
        return "retry_budget must be a RetryBudget; leave it out for the usual one"
    if policy.retry is None and policy.retry_budget is not None:
        return "retry_budget pays for nothing without retry; add retry or leave it out"
    if policy.retry is None or policy.timeout is None or not policy.retry.max_retries:
        return None
    if policy.retry.backoff.base_delay >= 2 * policy.timeout:
        return "the first backoff is mostly longer than timeout; lower base_delay or raise timeout"
    return None


def _twice(policy: Parts) -> str | None:
    if len({id(gate) for gate in policy.gates}) < len(policy.gates):
        return "the same gate stands in it twice and would count every call twice; name it once"
    kinds = [(type(gate), gate.name) for gate in policy.gates if gate.name]
    if len(set(kinds)) < len(kinds):
        return "two gates of one kind have the same name; give each its own"
    return None
