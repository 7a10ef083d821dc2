"""A state file that another program had locked took the threads that look up names, and the end."""

import asyncio
import sqlite3
import threading
import time
from contextlib import closing

import pytest

from koo.monitoring import Monitor, Records
from koo.monitoring.notify import MuteBook
from koo.monitoring.spend import SpendBook
from koo.resilience import Health, Reading, Report
from koo.stores import Archive, MemoryArchive, StoreError
from koo.testing import running_clock
from koo.web import Access, Console


@pytest.fixture
def archive(tmp_path):
    archive = Archive(tmp_path / "state.db")
    archive.prepare("CREATE TABLE IF NOT EXISTS things (name TEXT)")
    archive.change("DELETE FROM things")
    return archive


@pytest.fixture
def locked(archive, tmp_path):
    """The file of *archive*, locked by another program until the test ends."""
    with closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other
        if other.in_transaction:
            other.execute("ROLLBACK")


@pytest.mark.integration
async def test_an_archive_has_threads_of_its_own(archive):
    name = await archive.aside(lambda: threading.current_thread().name)
    assert name.startswith("koo-archive")


@pytest.mark.integration
async def test_who_ends_hardly_waits_for_a_lock(archive, locked):
    began = time.monotonic()
    waiting = asyncio.create_task(archive.aside(archive.change, "DELETE FROM things"))
    await asyncio.sleep(0.2)
    archive.hurry()
    with pytest.raises(StoreError, match="locked by another program"):
        await waiting
    assert time.monotonic() - began < 3


@pytest.mark.integration
async def test_who_does_not_end_waits_until_the_lock_is_gone(archive, locked):
    waiting = asyncio.create_task(
        archive.aside(archive.change, "INSERT INTO things VALUES (?)", "one")
    )
    await asyncio.sleep(0.3)
    locked.execute("ROLLBACK")
    assert await waiting == 1


def test_an_archive_in_memory_keeps_all_of_a_transaction_or_nothing():
    archive = MemoryArchive()
    archive.prepare("CREATE TABLE IF NOT EXISTS things (name TEXT)")
    archive.change("INSERT INTO things VALUES (?)", "one")

    def change_in_vain():
        with archive.write() as transaction:
            transaction.change("DELETE FROM things")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change_in_vain()
    assert archive.read("SELECT name FROM things") == [("one",)]


class NoThread:
    """An archive's way aside while the system gives no more threads, *times* over."""

    def __init__(self, archive, times):
        self._aside, self._times = archive.aside, times

    async def __call__(self, *terms, **options):
        if self._times:
            self._times -= 1
            raise RuntimeError("can't start new thread")
        return await self._aside(*terms, **options)


async def test_silences_of_others_are_known_again_when_there_are_threads(archive, monkeypatch):
    clock = running_clock()
    book = MuteBook(archive, clock=clock)
    monkeypatch.setattr(archive, "aside", NoThread(archive, 2))
    following = asyncio.create_task(book.follow())
    await asyncio.sleep(10)
    assert not following.done()
    following.cancel()
    await asyncio.wait([following])


async def test_what_was_spent_meanwhile_is_written_when_there_are_threads(archive, monkeypatch):
    book = SpendBook(archive, clock=running_clock())
    monkeypatch.setattr(archive, "aside", NoThread(archive, 1))
    spent = [0]

    def reports():
        spent[0] += 1
        cost = Reading("cost_total", spent[0], labels=(("model", "m"),))
        return (Report(component="ai:lab", kind="ai", state=Health.HEALTHY, readings=(cost,)),)

    keeping = asyncio.create_task(book.keep(reports))
    await asyncio.sleep(12)
    assert (keeping.done(), book.failures_total) == (False, 1)
    [day] = await book.days()
    assert day.nanousd == spent[0]
    keeping.cancel()
    await asyncio.wait([keeping])


@pytest.mark.integration
async def test_a_reader_too_waits_until_the_lock_is_gone(archive, tmp_path):
    with closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("INSERT INTO things VALUES ('one')")
        waiting = asyncio.create_task(archive.aside(archive.read, "SELECT * FROM things"))
        await asyncio.sleep(0.5)
    assert await waiting == [("one",)]


@pytest.mark.integration
async def test_who_ends_hardly_waits_for_a_lock_on_the_whole_file(archive, tmp_path):
    with closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("INSERT INTO things VALUES ('one')")
        archive.hurry()
        began = time.monotonic()
        with pytest.raises(StoreError, match="locked by another program"):
            await archive.aside(archive.read, "SELECT * FROM things")
    assert time.monotonic() - began < 3


@pytest.mark.integration
async def test_an_application_that_begins_once_more_takes_its_time_again(tmp_path):
    archive = Archive(tmp_path / "state.db")
    console = Console(Monitor([]), Access(), records=Records.of(archive))
    for _ in range(2):
        async with console.running():
            with closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as other:
                archive.change("DELETE FROM koo_silences")
                other.execute("BEGIN IMMEDIATE")
                statement = "DELETE FROM koo_silences"
                waiting = asyncio.create_task(archive.aside(archive.change, statement))
                await asyncio.sleep(0.3)
                other.execute("ROLLBACK")
                assert await waiting == 0
