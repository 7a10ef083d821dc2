"""Finding out what became of a transaction whose COMMIT was lost.

trace --fresh connection--> judge --> COMMITTED, ABSENT
  ^                           |
  +--backoff--- not yet, or no answer
                              |
                  time is over: UNKNOWN
"""

from __future__ import annotations

from functools import partial
from sys import maxsize
from typing import Final

from ...resilience import Backoff, Failure, Policy, RetryConfig
from ..pool import Terms
from ..scope import Fate, Trace
from .choosing import Connect

__all__ = ["Resolver"]

_AGAIN: Final = Failure(retryable=True, trips=False)
_RETRY: Final = RetryConfig(max_retries=maxsize, backoff=Backoff(base_delay=0.02, max_delay=0.5))


class _NotYet(Exception):
    """The transaction is still open."""


class Resolver:
    """Asks the witness of a lost COMMIT, by fresh connections from *connect*, until it knows.

    Or until the caller's deadline, or as long as a whole call may take.
    """

    def __init__(self, terms: Terms, connect: Connect) -> None:
        config = terms.config
        self._connect = connect
        self._policy = Policy(
            "database: lost COMMIT",
            classify=lambda _: _AGAIN,
            retry=_RETRY,
            retry_budget=None,
            timeout=config.timeout,
            attempt_timeout=min(config.check_timeout, config.timeout),
            clock=terms.clock,
            random=terms.random,
        )

    async def fate_of(self, trace: Trace) -> Fate:
        """What became of the transaction that left *trace*; UNKNOWN when the time is over."""
        try:
            return await self._policy.run(partial(self._ask, trace))
        except Exception:  # noqa: BLE001 - whatever it was, nobody knows
            return Fate.UNKNOWN

    async def _ask(self, trace: Trace) -> Fate:
        async with self._connect() as connection:
            fate = await trace.judge(connection)
        if fate is None:
            raise _NotYet
        return fate
