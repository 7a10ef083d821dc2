"""A dependency behind every kind of gate, and the ledger that says what must be left of it all."""

import asyncio
from dataclasses import dataclass

from koo.resilience import (
    Ask,
    Backoff,
    BreakerConfig,
    Bulkhead,
    BulkheadConfig,
    CircuitBreaker,
    DailyBudget,
    DailyBudgetConfig,
    Failure,
    Limit,
    Policy,
    RateLimiter,
    RateLimiterConfig,
    RetryConfig,
    Spent,
    Success,
)
from koo.testing import running_clock

ASK = Ask(tokens=10, nanousd=100)
COST = Spent(tokens=4, nanousd=30)
NO_COST = Spent()
LONG = 86_400.0
RETRY = RetryConfig(max_retries=3, backoff=Backoff(base_delay=1, max_delay=4))


class Broken(Exception):
    """The dependency answered with an error, and bills nothing for it."""


@dataclass
class Owed:
    """What the dependency has taken: requests, tokens and money that no cancellation undoes."""

    requests: int = 0
    tokens: int = 0
    nanousd: int = 0

    def add(self, amounts, sign=1):
        self.requests += sign * amounts.requests
        self.tokens += sign * amounts.tokens
        self.nanousd += sign * amounts.nanousd


class World:
    """All gates on the running virtual clock, and a policy through them."""

    def __init__(self, *, places=2, requests=1_000, money=1_000_000, on_event=None, **breaker):
        clock = running_clock()
        self.clock = clock
        self.breaker = CircuitBreaker(
            "dep",
            BreakerConfig(**breaker),
            clock=clock,
            random=lambda: 0.0,
            on_event=on_event or (lambda _: None),
        )
        limits = (Limit(requests, 60.0), Limit(10_000, LONG), Limit(100_000, LONG, "tokens"))
        self.limiter = RateLimiter("dep", RateLimiterConfig(limits), clock=clock)
        self.money = DailyBudget("dep", DailyBudgetConfig(money), clock=clock)
        self.room = Bulkhead("dep", BulkheadConfig(places), clock=clock)
        self.gates = [self.breaker, self.limiter, self.money, self.room]
        self.owed = Owed()
        self.policies = []

    def policy(self, **parts):
        made = Policy(
            parts.pop("name", "dep"),
            gates=parts.pop("gates", self.gates),
            classify=parts.pop("classify", verdict),
            appraise=self.bill,
            clock=self.clock,
            random=lambda: 1.0,
            **parts,
        )
        self.policies.append(made)
        return made

    @staticmethod
    def bill(value):
        """What an answer has cost; nobody knows of anything else."""
        return Success(spent=COST if value == "answer" else None)

    async def send(self, seconds=1.0, error=None):
        """One request to the dependency: it owes all that was reserved until it has answered."""
        self.owed.add(ASK)
        await asyncio.sleep(seconds)
        self.owed.add(ASK, -1)
        if error is not None:
            self.owed.add(NO_COST)
            raise error
        self.owed.add(COST)
        return "answer"

    def is_even(self):
        """Nothing is held, nobody waits, and exactly what was sent has been counted."""
        room, money = self.room.stats(), self.money.stats()
        assert (room.in_flight, room.waiting) == (0, 0)
        assert (money.reserved_nanousd, money.waiting) == (0, 0)
        assert money.spent_nanousd == self.owed.nanousd
        limits = self.limiter.stats()
        assert limits.waiting == 0
        used = {(window.weight, window.per): window.used for window in limits.windows}
        assert used["tokens", LONG] == self.owed.tokens
        assert used["requests", LONG] == self.owed.requests
        assert self.breaker.stats().probes == 0
        assert [gate.double_settled_total for gate in self.gates] == [0] * len(self.gates)


def verdict(error):
    """A broken dependency may be asked again; what it refused as wrong may not."""
    wrong = not isinstance(error, Broken | TimeoutError)
    spent = NO_COST if isinstance(error, Broken) else None
    return Failure(retryable=not wrong, trips=not wrong, spent=spent)
