"""The benchmark's faults happen where their names say, and are counted as they happen."""

import asyncio

import pytest

from koo.testing import Action, Chunk, Direction

ASKS, ANSWERS = Direction.TO_SERVER, Direction.TO_CLIENT


@pytest.fixture(scope="session")
def observing(benchmark_module):
    return benchmark_module("pools.observing")


@pytest.fixture(scope="session")
def patience(benchmark_module):
    return benchmark_module("pools.patience")


def _chunk(payload=b"", direction=ASKS, connection=1):
    return Chunk(direction, payload, connection)


async def _is_held(hook, chunk):
    verdict = hook(chunk)
    if verdict is Action.PASS:
        return False
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(verdict, 60)
    return True


async def test_before_a_word_its_request_is_lost(hooks):
    darkness = hooks.Darkness(hooks.before(b"COMMIT"))
    assert not await _is_held(darkness, _chunk(b"SELECT"))
    assert await _is_held(darkness, _chunk(b"COMMIT;"))
    assert darkness.connections == 1


async def test_after_a_word_only_its_answer_is_lost(hooks):
    darkness = hooks.Darkness(hooks.after(b"COMMIT"))
    assert not await _is_held(darkness, _chunk(b"COMMIT;"))
    assert await _is_held(darkness, _chunk(b"COMMIT", ANSWERS))


async def test_any_of_the_words_darkens(hooks):
    darkness = hooks.Darkness(hooks.after(b"user", b"root"))
    assert not await _is_held(darkness, _chunk(b"SELECT"))
    assert not await _is_held(darkness, _chunk(b"root"))
    assert await _is_held(darkness, _chunk(b"OK", ANSWERS))


async def test_a_word_in_an_answer_darkens_nothing(hooks):
    darkness = hooks.Darkness(hooks.before(b"COMMIT"))
    assert not await _is_held(darkness, _chunk(b"COMMIT", ANSWERS))
    assert darkness.connections == 0


async def test_a_dark_connection_is_silent_both_ways_and_alone(hooks):
    darkness = hooks.Darkness(hooks.before(b"BEGIN"))
    assert await _is_held(darkness, _chunk(b"BEGIN"))
    assert await _is_held(darkness, _chunk(b"SELECT"))
    assert await _is_held(darkness, _chunk(b"x", ANSWERS))
    assert not await _is_held(darkness, _chunk(b"SELECT", connection=2))


async def test_those_open_lose_their_way_and_new_ones_find_theirs(hooks):
    darkness = hooks.Darkness(hooks.those_open(2))
    assert await _is_held(darkness, _chunk(connection=2))
    assert not await _is_held(darkness, _chunk(connection=3))


async def test_light_lets_through_what_was_held(hooks):
    darkness = hooks.Darkness(hooks.before())
    held = asyncio.ensure_future(darkness(_chunk()))
    darkness.lift()
    assert await held is Action.PASS
    assert darkness(_chunk(connection=2)) is Action.PASS


async def test_only_the_first_word_of_a_connection_is_slow(hooks):
    slow = hooks.SlowToConnect(0.15)
    clock = asyncio.get_running_loop()
    began = clock.time()
    assert await slow(_chunk()) is Action.PASS
    assert clock.time() - began == pytest.approx(0.15)
    assert slow(_chunk()) is Action.PASS
    assert slow(_chunk(direction=ANSWERS, connection=2)) is Action.PASS


def test_a_round_trip_is_a_turn_from_answering_to_asking(hooks):
    turns = hooks.Turns()
    for direction in (ASKS, ASKS, ANSWERS, ANSWERS, ASKS, ANSWERS):
        assert turns(_chunk(direction=direction)) is Action.PASS
    assert turns.total == 2


def test_round_trips_of_two_connections_do_not_mix(hooks):
    turns = hooks.Turns()
    for connection in (1, 2, 1, 2):
        turns(_chunk(connection=connection))
    assert turns.total == 2


def test_an_outage_is_seen_from_its_answers(observing):
    answers = [
        observing.Answer(0.5, 0.01, True),
        observing.Answer(0.9, 0.01, False),
        observing.Answer(1.5, 0.001, False),
        observing.Answer(2.5, 0.003, False),
        observing.Answer(3.9, 0.002, False),
        observing.Answer(4.25, 1.0, True),
        observing.Answer(4.5, 0.01, True),
    ]
    seen = observing.observed(answers, went=1.0, came=4.0, dials=7)
    assert seen == observing.Observed(7, 3, pytest.approx(2.0), pytest.approx(0.25))


def test_who_never_recovers_took_all_that_was_waited(observing):
    answers = [observing.Answer(1.5, 0.1, False), observing.Answer(7.0, 0.1, False)]
    assert observing.observed(answers, went=1.0, came=4.0, dials=0).recovery == 3.0


async def test_who_hangs_counts_as_all_the_patience(patience):
    async def stubborn():
        await asyncio.sleep(1e9)

    async def quick():
        return 0.5

    assert sorted(await patience.patiently([quick(), stubborn()], 4.0)) == [0.5, 4.0]


async def test_a_request_that_fails_ends_like_any_other(patience):
    async def fails():
        raise LookupError

    assert await patience.timed(fails, 1.0) < 1.0
