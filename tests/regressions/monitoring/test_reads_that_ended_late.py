"""What had just been silenced was not, for as long as an older read of the file took to end."""

import asyncio
import threading

import pytest

from koo.monitoring.notify import MuteBook, Silence
from koo.stores import Archive
from koo.testing import FakeClock


@pytest.mark.integration
async def test_an_older_read_takes_back_no_silence(tmp_path, monkeypatch):
    archive, clock = Archive(tmp_path / "state.db"), FakeClock()
    book = MuteBook(archive, clock=clock)
    await book.open()
    begun, may_end = threading.Event(), threading.Event()
    read = archive.read

    def held_up(*terms):
        rows = read(*terms)
        if not begun.is_set():
            begun.set()
            may_end.wait(30)
        return rows

    monkeypatch.setattr(archive, "read", held_up)
    older = asyncio.create_task(book.open())
    await asyncio.to_thread(begun.wait, 30)
    silence = Silence(
        id="s1", starts=clock.time(), ends=clock.time() + 60, actor="ann", reason="moving"
    )
    await book.silence(silence)
    may_end.set()
    await older
    assert book.mutes().silences == (silence,)
