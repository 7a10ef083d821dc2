"""Where the memory of limits and budgets lives: a store makes the gates that keep it there.

    store.limiter(name, config) --> RateLimiter
    store.budget(name, config) ---> DailyBudget
    store.limiter_and_budget(name, limits, budget) --> both, for calls that pass one after the other

Here, in the memory of this process: a restart forgets, and N processes have N times
the limits. The stores of :mod:`koo.stores` make gates with the same answers that
forget nothing.
"""

from __future__ import annotations

from typing import Protocol

from .budget import DailyBudget, DailyBudgetConfig
from .clock import SYSTEM_CLOCK, Clock
from .events import Listener, ignore
from .limiter import RateLimiter, RateLimiterConfig

__all__ = ["MemoryStore", "Store"]


class Store(Protocol):
    """Who makes the gates whose memory must outlive a process, or be one for several."""

    def limiter(
        self, name: str, config: RateLimiterConfig, *, on_event: Listener = ignore
    ) -> RateLimiter:
        """The rate limiter called *name*, with all that was admitted before."""
        ...

    def budget(self, name: str, config: DailyBudgetConfig) -> DailyBudget:
        """The daily budget called *name*, with all that was spent before."""
        ...

    def limiter_and_budget(
        self,
        name: str,
        limits: RateLimiterConfig,
        budget: DailyBudgetConfig,
        *,
        on_event: Listener = ignore,
    ) -> tuple[RateLimiter, DailyBudget]:
        """A limiter and a budget as above, for calls that pass the one and then the other.

        So a store may do at once what it has to do for both.
        """
        ...

    def close(self) -> None:
        """Write what is still to be written and let go of what is open; used again, it opens."""
        ...


class MemoryStore:
    """A store that forgets with its process; plain gates, as fast as gates can be."""

    def __init__(self, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock

    def limiter(
        self, name: str, config: RateLimiterConfig, *, on_event: Listener = ignore
    ) -> RateLimiter:
        """A new rate limiter."""
        return RateLimiter(name, config, clock=self._clock, on_event=on_event)

    def budget(self, name: str, config: DailyBudgetConfig) -> DailyBudget:
        """A new daily budget."""
        return DailyBudget(name, config, clock=self._clock)

    def limiter_and_budget(
        self,
        name: str,
        limits: RateLimiterConfig,
        budget: DailyBudgetConfig,
        *,
        on_event: Listener = ignore,
    ) -> tuple[RateLimiter, DailyBudget]:
        """A new rate limiter and a new daily budget."""
        return self.limiter(name, limits, on_event=on_event), self.budget(name, budget)

    def close(self) -> None:
        """Nothing is open."""
