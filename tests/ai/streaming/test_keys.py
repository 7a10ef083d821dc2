"""Streams with several keys: one that dies before the first text is replaced unseen."""

import pytest

from koo.ai import NOTHING, Prompt, Rotation, Usage
from koo.errors import ApiKeyError, QuotaExceededError
from koo.testing import Pieces, ScriptedProvider, running_clock

from .conftest import read


@pytest.fixture
def keyed(serve):
    """A function that makes a service with a key for each of these lines."""

    def keyed(*lines, **settings):
        providers = [ScriptedProvider(then=line, clock=running_clock()) for line in lines]
        rotation = Rotation(providers, clock=running_clock())
        return serve(rotation, **settings), providers

    return keyed


def refused(error=ApiKeyError, **more):
    return error("claude", "it failed; try again", **{"usage": NOTHING, **more})


async def test_a_dead_key_is_replaced_unseen_and_not_sent_again(keyed):
    service, providers = keyed(Pieces("x"), refused(), Pieces("x"))
    for _ in range(4):
        stream = service.stream("Why?")
        assert await read(stream) == (["x"], None)
    assert len(providers[1].requests) == 1


async def test_what_a_key_that_died_amid_an_answer_has_cost_is_not_forgotten(keyed, own_price):
    dead = refused(QuotaExceededError, usage=None)
    service, _ = keyed(Pieces("half", dead), Pieces("half", dead), **own_price)
    for asked in (1, 2):
        pieces, error = await read(service.stream(Prompt("?", max_tokens=10)))
        assert (pieces, type(error), error.partial) == (["half"], QuotaExceededError, "half")
        assert error.usage is None
        assert service.report().value("budget.spent") == asked * 21 * 10**6


async def test_a_stream_that_is_left_kills_no_key(keyed):
    service, _ = keyed(Pieces("a", "b", usage=Usage(1, 1)), Pieces("a", "b"))
    async with service.stream("Why?") as stream:
        await anext(stream)
    assert service._provider.living == 2
