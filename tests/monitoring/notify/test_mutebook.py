"""What people muted outlives the process."""

import asyncio

import pytest

from koo.monitoring.notify import Acknowledgement, MuteBook, Mutes, Silence
from koo.stores import Archive, StoreError
from koo.testing import FakeClock, running_clock


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def opened(tmp_path, clock):
    """The book of a process that has just begun."""

    async def opened():
        book = MuteBook(Archive(tmp_path / "state.db"), clock=clock)
        await book.open()
        return book

    return opened


def silence(clock, identity="s1", **more):
    starts = clock.time()
    terms = {"starts": starts, "ends": starts + 60, "actor": "ann", "reason": "moving"}
    return Silence(id=identity, component="ai:*", **terms | more)


SEEN = Acknowledgement(id="ai:a:circuit-open", at=5.0, actor="ann", reason="on it")


async def test_a_new_book_is_empty(opened):
    assert (await opened()).mutes() == Mutes()


async def test_what_was_muted_is_muted_after_a_restart(opened, clock):
    book = await opened()
    await book.silence(silence(clock))
    await book.acknowledge(SEEN)
    assert (await opened()).mutes() == book.mutes() == Mutes((silence(clock),), (SEEN,))


async def test_a_silence_that_is_over_is_forgotten(opened, clock):
    await (await opened()).silence(silence(clock))
    clock.advance(60)
    assert (await opened()).mutes() == Mutes()


async def test_a_silence_can_be_changed_and_lifted(opened, clock):
    book = await opened()
    await book.silence(silence(clock))
    await book.silence(silence(clock, reason="still moving"))
    assert [one.reason for one in book.mutes().silences] == ["still moving"]
    assert await book.lift("s1") == silence(clock, reason="still moving")
    assert await book.lift("s1") is None
    assert book.mutes() == Mutes()


async def test_acknowledging_twice_is_acknowledging_once(opened):
    book = await opened()
    await book.acknowledge(SEEN)
    await book.acknowledge(SEEN)
    assert book.mutes().acknowledgements == (SEEN,)


async def test_of_a_thousand_acknowledgements_the_oldest_is_forgotten(opened, monkeypatch):
    monkeypatch.setattr("koo.monitoring.notify.mutebook._ACKNOWLEDGED_KEPT", 3)
    book = await opened()
    for number in range(5):
        await book.acknowledge(Acknowledgement(id="x:y", at=float(number), actor="ann"))
    assert [seen.at for seen in book.mutes().acknowledgements] == [2, 3, 4]


async def test_a_book_that_follows_knows_what_others_mute_and_outlasts_a_lost_file(
    tmp_path, monkeypatch
):
    clock = running_clock()
    archive = Archive(tmp_path / "state.db")
    book, other = MuteBook(archive, clock=clock), MuteBook(archive, clock=clock)
    following = asyncio.create_task(book.follow())
    await other.silence(silence(clock, ends=clock.time() + 3600))
    await asyncio.sleep(2.5)
    assert [one.id for one in book.mutes().silences] == ["s1"]

    def lost(*_):
        raise StoreError("state.db can't be used")

    with monkeypatch.context() as patch:
        patch.setattr(archive, "read", lost)
        await asyncio.sleep(4)
        assert [one.id for one in book.mutes().silences] == ["s1"]
    await other.lift("s1")
    await asyncio.sleep(2.5)
    assert book.mutes() == Mutes()
    following.cancel()
