"""Every nano-dollar is in the book once, under its day, for ninety days."""

import asyncio
from pathlib import Path

import pytest

from koo.monitoring import SpendBook
from koo.resilience import SYSTEM_CLOCK, Reading, Report
from koo.stores import Archive, StoreError
from koo.testing import FakeClock

pytestmark = pytest.mark.integration  # it writes to a real file, in threads
DAY = 86_400


def report(service="claude", model="m", answers=1, tokens=10, nanousd=5):
    label = ("model", model)
    return Report(
        component=f"ai:{service}", kind="ai", state="healthy",
        readings=(
            Reading("answers_total", answers, labels=(label,)),
            Reading("cost_total", nanousd, labels=(label,)),
            Reading("tokens_total", tokens, labels=(label, ("type", "input"))),
            Reading("tokens_total", 2 * tokens, labels=(label, ("type", "output"))),
            Reading("requests_total", 99),
        ),
    )  # fmt: skip


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def open_book(tmp_path, clock):
    return lambda: SpendBook(Archive(tmp_path / "state.db"), clock=clock)


async def told(book, most=90):
    return {
        (spend.day, spend.service, spend.model): (
            spend.answers, spend.input_tokens, spend.output_tokens, spend.nanousd,
        )
        for spend in await book.days(most)
    }  # fmt: skip


async def test_what_came_since_the_last_look_is_added_to_today(open_book):
    book = open_book()
    book.note([report(answers=1, tokens=10, nanousd=5)])
    await book.write()
    book.note([report(answers=3, tokens=25, nanousd=8), report("openai")])
    await book.write()
    assert await told(book) == {
        ("2023-11-14", "claude", "m"): (3, 25, 50, 8),
        ("2023-11-14", "openai", "m"): (1, 10, 20, 5),
    }


async def test_what_is_not_written_yet_is_told_too(open_book):
    book = open_book()
    book.note([report()])
    before = await told(book)
    await book.write()
    assert await told(book) == before == {("2023-11-14", "claude", "m"): (1, 10, 20, 5)}


async def test_a_new_day_begins_at_midnight_and_the_old_one_stays(open_book, clock):
    book = open_book()
    book.note([report(nanousd=5)])
    clock.advance(DAY)
    book.note([report(answers=2, nanousd=7)])
    await book.write()
    assert [(spend.day, spend.nanousd) for spend in await book.days()] == [
        ("2023-11-15", 2), ("2023-11-14", 5),
    ]  # fmt: skip
    assert [spend.day for spend in await book.days(1)] == ["2023-11-15"]


async def test_a_second_process_adds_to_the_first_and_a_third_finds_both(open_book):
    for _ in range(2):
        process = open_book()
        process.note([report(nanousd=5)])
        await process.write()
    assert (await told(open_book()))["2023-11-14", "claude", "m"] == (2, 20, 40, 10)


async def test_what_was_taken_down_before_the_days_asked_for_is_not_told(open_book, clock):
    book = open_book()
    book.note([report()])
    clock.advance(3 * DAY)
    assert await book.days(2) == ()
    assert len(await book.days(4)) == 1


async def test_after_ninety_days_it_is_forgotten(open_book, clock):
    book = open_book()
    book.note([report(nanousd=5)])
    await book.write()
    clock.advance(89 * DAY)
    book.note([report(answers=2, nanousd=6)])
    await book.write()
    assert len(await book.days()) == 2
    clock.advance(DAY)
    book.note([report(answers=3, nanousd=7)])
    await book.write()
    assert [spend.nanousd for spend in await book.days()] == [1, 1]


async def test_a_counter_that_begins_anew_is_counted_from_nothing(open_book):
    book = open_book()
    book.note([report(answers=5, tokens=50, nanousd=50)])
    book.note([report(answers=1, tokens=10, nanousd=7)])
    assert (await told(book))["2023-11-14", "claude", "m"] == (6, 60, 120, 57)


async def test_what_costs_nothing_and_what_is_no_service_has_no_line(open_book):
    book = open_book()
    book.note([Report(component="database", kind="database", state="healthy")])
    book.note([report(answers=0, tokens=0, nanousd=0)])
    await book.write()
    assert await book.days() == ()


async def test_what_could_not_be_written_is_written_later(tmp_path, clock):
    place = tmp_path / "gone"
    place.write_text("a file where a folder should be")
    book = SpendBook(Archive(Path(place) / "state.db"), clock=clock)
    book.note([report(nanousd=5)])
    await book.write()
    assert book.failures_total == 1
    with pytest.raises(StoreError):
        await book.days()
    place.unlink()
    book.note([report(answers=2, nanousd=9)])
    await book.write()
    assert (await told(book))["2023-11-14", "claude", "m"] == (2, 10, 20, 9)


async def test_it_keeps_on_and_writes_the_rest_at_its_end(tmp_path):
    book = SpendBook(Archive(tmp_path / "state.db"), clock=SYSTEM_CLOCK)
    now = [report(nanousd=5)]
    keeping = asyncio.create_task(book.keep(lambda: now, 0.02))
    while not await SpendBook(Archive(tmp_path / "state.db")).days():
        await asyncio.sleep(0.01)
    now[0] = report(answers=2, nanousd=9)
    keeping.cancel()
    await asyncio.wait([keeping])
    [spend] = await SpendBook(Archive(tmp_path / "state.db")).days()
    assert spend.nanousd == 9
