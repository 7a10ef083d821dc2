"""The parts of a policy, which go together and never change."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable, Sequence
from typing import Final, NoReturn

from ..classifier import classify_by_type
from ..clock import RANDOM, SYSTEM_CLOCK, Clock, Random
from ..events import Listener, ignore
from ..gate import Gate, LeasingGate
from ..outcome import Appraiser, Classifier
from ..retry import RetryBudget, RetryConfig
from ..timers import Lane, lane_for
from .compose import check_composition, check_parts
from .stats import Memory, PolicyStats

__all__ = ["Parts"]

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
        check_parts(name, gates, clock, **functions)
        if retry_budget is _OWN:
            retry_budget = RetryBudget() if retry else None
        _fix(self, name=name, gates=tuple(gates), _classify=classify, appraise=appraise)
        _fix(self, retry=retry, retry_budget=retry_budget, patience=patience)
        _fix(self, timeout=timeout, attempt_timeout=attempt_timeout)
        check_composition(self)
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
