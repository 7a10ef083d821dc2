import asyncio
import sys

import greenlet

from koo.database.callers import borrowing_line, calling_line, present_line


def test_the_calling_line_is_the_callers_and_short():
    here = sys._getframe().f_lineno + 1
    assert str(calling_line()) == f"tests/database/test_callers.py:{here}"


def test_it_stays_the_line_from_which_it_was_called():
    here = sys._getframe().f_lineno + 1
    found = calling_line()
    assert str(found) == f"tests/database/test_callers.py:{here}"


async def test_our_own_frames_and_those_of_asyncio_are_skipped():
    space = {"__name__": "koo.database.manager", "calling_line": calling_line}
    exec("async def look():\n    return calling_line()", space)
    assert str(await space["look"]()).startswith("tests/database/test_callers.py:")


async def test_a_task_that_begins_with_us_is_known_by_what_it_runs():
    space = {"__name__": "koo.database.manager", "calling_line": calling_line}
    exec("async def look(fn):\n    return calling_line(fn)", space)
    assert await asyncio.create_task(space["look"](None)) is None
    found = await asyncio.create_task(space["look"](work))
    assert str(found) == f"tests/database/test_callers.py:{work.__code__.co_firstlineno}"


async def test_a_function_whose_first_instruction_has_no_line_is_known_by_its_head():
    space = {"__name__": "koo.database.manager", "calling_line": calling_line}
    exec("async def look(fn):\n    return calling_line(fn)", space)
    found = await asyncio.create_task(space["look"](counting_up))
    assert str(found) == f"tests/database/test_callers.py:{counting_up.__code__.co_firstlineno}"


def test_a_greenlet_that_knows_nobody_outside_has_no_line():
    space = {"__name__": "koo.database.manager", "calling_line": calling_line}
    exec("def look():\n    return calling_line()", space)
    assert greenlet.greenlet(space["look"]).switch() is None


def work():
    """What a task may run."""


def counting_up(number=0):
    """Instructions that make room for what the inner function keeps have no line."""

    def one_more():
        nonlocal number
        number += 1
        return number

    return one_more


def test_outside_of_a_greenlet_nobody_borrows():
    assert borrowing_line() is None


async def test_the_present_line_is_the_innermost_that_is_not_ours():
    sleeping = asyncio.create_task(sleep())
    await asyncio.sleep(0)
    line = sleep.__code__.co_firstlineno + 1
    assert str(present_line(sleeping)) == f"tests/database/test_callers.py:{line}"
    sleeping.cancel()
    await asyncio.wait({sleeping})


async def sleep():
    await asyncio.sleep(1)
