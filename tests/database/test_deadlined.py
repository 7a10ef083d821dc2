"""Work that is aborted when its time is over."""

import asyncio

import pytest
from sqlalchemy.util import await_, greenlet_spawn

from koo.database.drivers.deadlined import Deadlined


class Waiting:
    """Something that is waited for until it is aborted."""

    def __init__(self):
        self.future = asyncio.get_running_loop().create_future()
        self.aborted_at = None

    def abort(self):
        self.aborted_at = asyncio.get_running_loop().time()
        if not self.future.done():
            self.future.set_exception(ConnectionError("torn off"))

    def wait(self, seconds):
        await_(asyncio.wait_for(asyncio.shield(self.future), seconds))


def limited(seconds=1.0, abort=Waiting.abort):
    return Deadlined(seconds, abort, asyncio.get_running_loop().time, TimeoutError)


async def run(limit, one, work, *args):
    began = asyncio.get_running_loop().time()
    return await greenlet_spawn(limit.run, one, began, work, *args)


async def test_what_ends_in_time_returns_its_value():
    limit, one = limited(), Waiting()
    assert await run(limit, one, lambda value: value, 7) == 7
    await asyncio.sleep(5)
    assert one.aborted_at is None


async def test_what_does_not_is_aborted_and_says_so():
    limit, one = limited(), Waiting()
    began = asyncio.get_running_loop().time()
    with pytest.raises(TimeoutError) as caught:
        await run(limit, one, one.wait, 60)
    assert isinstance(caught.value.__cause__, ConnectionError)
    assert one.aborted_at - began == pytest.approx(1.0)


async def test_each_has_its_own_end_and_one_timer_keeps_them_all():
    limit, loop = limited(), asyncio.get_running_loop()
    began, ones = loop.time(), [Waiting() for _ in range(3)]

    async def late(one, seconds):
        await asyncio.sleep(seconds)
        with pytest.raises(TimeoutError):
            await run(limit, one, one.wait, 60)

    await asyncio.gather(*(late(one, 0.3 * place) for place, one in enumerate(ones)))
    assert [one.aborted_at - began for one in ones] == pytest.approx([1.0, 1.3, 1.6])


async def test_an_error_in_time_passes_as_it_is():
    limit, one = limited(), Waiting()

    def fail():
        raise KeyError("mine")

    with pytest.raises(KeyError):
        await run(limit, one, fail)


async def test_a_cancellation_stays_one_even_if_it_comes_too_late():
    quiet, one = limited(abort=lambda _: None), Waiting()
    task = asyncio.create_task(run(quiet, one, one.wait, 60))
    await asyncio.sleep(2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_answer_in_the_instant_of_the_abort_is_too_late():
    quiet, one = limited(abort=lambda _: None), Waiting()
    asyncio.get_running_loop().call_later(2, one.future.set_result, None)
    with pytest.raises(TimeoutError):
        await run(quiet, one, one.wait, 60)


async def test_what_cannot_be_aborted_is_told_and_keeps_nobody_else_from_it():
    told, loop = [], asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: told.append(context))
    bad, good = Waiting(), Waiting()

    def abort(one):
        if one is bad:
            raise RuntimeError("closed already")
        one.abort()

    limit, began = limited(abort=abort), loop.time()
    loop.call_later(5, bad.abort)
    ended = await asyncio.gather(
        *(run(limit, one, one.wait, 60) for one in (bad, good)), return_exceptions=True
    )
    assert [type(error) for error in ended] == [TimeoutError, TimeoutError]
    assert good.aborted_at - began == pytest.approx(1.0)
    assert [str(context["exception"]) for context in told] == ["closed already"]
