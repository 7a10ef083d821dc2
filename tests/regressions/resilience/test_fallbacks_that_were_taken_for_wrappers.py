"""An error that a policy has passed on is judged for itself, whatever was handled meanwhile."""

import pytest

from koo.resilience import Policy, RetryConfig
from koo.testing import run, running_clock

RETRY = RetryConfig(max_retries=1)


class Layers:
    """A primary that retries, a fallback of some kind, and a policy around both."""

    def __init__(self, fallback_retry):
        clock = running_clock()
        self.sent = []
        self.primary = Policy("primary", retry=RETRY, clock=clock)
        self.fallback = Policy("fallback", retry=fallback_retry, clock=clock)
        self.outer = Policy("outer", retry=RETRY, clock=clock)

    def dead(self, name):
        async def operation():
            self.sent.append(name)
            raise ConnectionError(name)

        return operation

    async def with_fallback(self):
        try:
            await self.primary.run(self.dead("primary"))
        except ConnectionError:
            await self.fallback.run(self.dead("fallback"))


def test_a_fallback_without_retries_leaves_them_to_the_policy_around_it():
    async def calls():
        layers = Layers(None)
        with pytest.raises(ConnectionError, match="fallback"):
            await layers.outer.run(layers.with_fallback)
        assert layers.sent == ["primary", "primary", "fallback"] * 2

    run(calls())


def test_a_fallback_that_gave_up_is_not_tried_again_further_out():
    async def calls():
        layers = Layers(RETRY)
        with pytest.raises(ConnectionError, match="fallback"):
            await layers.outer.run(layers.with_fallback)
        assert layers.sent == ["primary"] * 2 + ["fallback"] * 2

    run(calls())


def test_a_wrapper_made_inside_a_policy_that_does_not_retry_stays_given_up():
    async def calls():
        layers = Layers(None)

        async def wrapped():
            try:
                await layers.primary.run(layers.dead("primary"))
            except ConnectionError:
                raise ConnectionError("wrapped")  # noqa: B904 - as many do

        with pytest.raises(ConnectionError, match="wrapped"):
            await layers.outer.run(lambda: layers.fallback.run(wrapped))
        assert layers.sent == ["primary"] * 2

    run(calls())


def test_what_one_call_passed_on_another_looks_at_anew():
    """A kept error that is raised again while one is handled that was given up."""

    async def calls():
        layers, kept = Layers(None), ConnectionError("kept")

        async def raises_kept():
            raise kept

        async def kept_as_wrapper():
            try:
                await layers.primary.run(layers.dead("primary"))
            except ConnectionError:
                raise kept  # noqa: B904 - as many do

        with pytest.raises(ConnectionError, match="kept"):
            await layers.outer.run(lambda: layers.fallback.run(raises_kept))
        with pytest.raises(ConnectionError, match="kept"):
            await layers.outer.run(kept_as_wrapper)
        assert layers.sent == ["primary"] * 2

    run(calls())
