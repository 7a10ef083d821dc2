"""A check that was cut off left the answer before it, and the circuit was half-opened by that.

And what opened the circuit while the manager was being closed was watched: the watch outlived the
close, and opened a new engine to ask with.
"""

import asyncio

from koo.resilience import State

from ...database.test_checks import Setting


async def test_a_question_that_is_cut_off_is_no_reason_to_half_open():
    setting = Setting(takes=0.2)
    await setting.examiner.check()
    assert setting.examiner.last.ok
    setting.open()
    await asyncio.sleep(0.1)
    setting.examiner._flights.here().cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert setting.breaker.stats().state is State.OPEN
    await setting.examiner.stop()


async def test_what_opens_the_circuit_while_we_close_is_not_watched():
    setting = Setting()
    async with setting.examiner.stopped():
        setting.open()
        await asyncio.sleep(5)
        assert setting.server.asked == 0
    setting.examiner.watch()
    await asyncio.sleep(5)
    assert setting.server.asked > 0
    await setting.examiner.stop()


async def test_closing_ends_the_watch_that_runs():
    setting = Setting()
    setting.open()
    await asyncio.sleep(1)
    async with setting.examiner.stopped():
        asked = setting.server.asked
        await asyncio.sleep(5)
    await asyncio.sleep(5)
    assert setting.server.asked == asked > 0
