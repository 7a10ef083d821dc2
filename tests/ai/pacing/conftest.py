"""A pacer on a clock that the test owns, and what a vendor tells it."""

import pytest

from koo.ai import PacedAsk, Pacer, Told, WindowTold
from koo.resilience import Failure, Permit, RetryClass, Success
from koo.testing import FakeClock


class Bench:
    """A pacer, its clock, and what it has told of."""

    def __init__(self):
        self.clock = FakeClock()
        self.heard = []
        self.pacer = Pacer("ai:lab", clock=self.clock, on_event=self.heard.append)

    def ask(self, tokens=0, output=0, model="m"):
        """A permit, or the refusal."""
        ask = PacedAsk(tokens=tokens, output_tokens=output, model=model)
        return self.pacer.admit(ask)

    def passes(self, number):
        """So many permits, all given."""
        permits = [self.ask() for _ in range(number)]
        assert all(isinstance(permit, Permit) for permit in permits)
        return permits

    def told(self, remaining, reset_after=30.0, limit=60, *, kind="requests", **more):
        """What an answer tells of one window, now."""
        window = WindowTold(kind, kind, limit, remaining, reset_after)
        return Told(at=self.clock.now, windows=(window,), **more)

    def answer(self, permit, *told):
        """The call of *permit* is answered."""
        permit.settle(Success(advice=told[0] if told else None))

    def refuse(self, permit, told=None, wait=None):
        """The vendor says 429 to the call of *permit*, and may name a wait."""
        throttled = RetryClass.THROTTLED
        permit.settle(
            Failure(
                retryable=True, trips=False, retry_after=wait, retry_class=throttled, advice=told
            )
        )

    def fail(self, permit, told):
        """The call of *permit* fails, and its answer tells something."""
        permit.settle(Failure(retryable=True, trips=True, advice=told))


@pytest.fixture
def bench():
    """A new pacer and its world."""
    return Bench()
