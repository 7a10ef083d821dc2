"""A pool under random cancellations and faults: nothing is lost, and everybody is answered.

What happens at each step, to whom and how long after the last is drawn beforehand, whatever the
pool has made of the steps before: so a story that ends badly can be told again in fewer steps.
"""

import asyncio

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import exc
from sqlalchemy.util import greenlet_spawn

from koo.database.pool import ending
from koo.errors import Rejected
from koo.testing import VirtualTimeLoop

STEPS = 100
"""Of a story; there are as many stories as a property has examples."""

HELD = [0, 0.01, 0.3, 1.5]
PAUSES = [0, 0, 0.001, 0.05, 0.4]
OFTEN = {
    "borrow": 64,
    "borrow_and_invalidate": 7,
    "borrow_and_detach": 2,
    "cancel_a_caller": 9,
    "refuse_or_accept": 9,
    "fall_silent": 2,
    "speak_again": 7,
    "kill_a_connection": 9,
    "hang_a_connection": 9,
    "cancel_a_task": 3,
    "condemn_all": 2,
    "forgive": 9,
    "pause": 1,
    "resume": 4,
    "resize": 2,
    "drain": 1,
    "dispose": 1,
}
"""How often something happens, beside the others."""
HAPPENINGS = [
    (event, which, pause)
    for event, often in OFTEN.items()
    for which in range(16)
    for pause in PAUSES
    for _ in range(often)
]
"""What happens, to whom or how much, and for how long nothing does then: one draw, not three."""


def numbers_of(places):
    return {name: getattr(places, name) for name in places.__slots__}


def chosen(which, *found):
    """One of those that are there, the same in each telling; none of none."""
    return [found[which % len(found)]] if found else []


def number_of(task):
    return int(task.get_name().rpartition("-")[2])


class Story(RuleBasedStateMachine):
    """One pool, some callers, and a world that is not kind to them."""

    def __init__(self, house):
        super().__init__()
        self.house = house
        self.runner = asyncio.Runner(loop_factory=VirtualTimeLoop)
        self.is_amid_step = True
        self.callers = {}
        self.lies = []

    # -- what is drawn ----------------------------------------------------------------

    @initialize(
        connect_time=st.sampled_from([0.001, 0.05, 0.3]),
        pool_size=st.integers(1, 4),
        max_overflow=st.integers(0, 3),
        max_waiting=st.sampled_from([3, 1000]),
        pool_timeout=st.sampled_from([0.5, 5.0]),
        pool_recycle=st.sampled_from([-1, 3.0]),
        reclaim_after=st.sampled_from([float("inf"), 4.0]),
    )
    def open(self, connect_time, **config):
        self.runner.run(self.opened(connect_time, config))
        self.is_amid_step = False

    @rule(happening=st.sampled_from(HAPPENINGS))
    def step(self, happening):
        self.is_amid_step = True
        self.runner.run(self.stepped(*happening))
        self.is_amid_step = False

    def teardown(self):
        try:
            # What has failed before its end has nothing more to say.
            if not self.is_amid_step:
                self.runner.run(self.ended())
        finally:
            self.runner.close()

    async def opened(self, connect_time, config):
        self.home = self.house(check_timeout=1.0, **config)
        self.server = self.home.server
        self.server.connect_time = connect_time
        self.largest = self.home.places.most
        queue = self.home.keeper.queue
        queue._exhausted = self.checked(queue._exhausted, self.is_exhausted)
        queue._unavailable = self.checked(queue._unavailable, self.is_unavailable)

    async def stepped(self, event, which, pause):
        getattr(self, event)(which)
        self.assert_bounded()
        await asyncio.sleep(pause)

    # -- callers ------------------------------------------------------------------------

    def borrow(self, which):
        self.begin(self.call(which))

    def borrow_and_invalidate(self, which):
        self.begin(self.call(which, "invalidate"))

    def borrow_and_detach(self, which):
        self.begin(self.call(which, "detach"))

    def cancel_a_caller(self, which):
        for caller in chosen(which, *self.callers):
            caller.cancel()

    async def call(self, which, *spoils):
        try:
            lent = await self.home.borrow()
        except (Rejected, OSError, exc.SQLAlchemyError):
            return
        try:
            await asyncio.sleep(HELD[which % len(HELD)])
            for spoil in spoils:
                await greenlet_spawn(getattr(lent, spoil))
        finally:
            await greenlet_spawn(lent.close)

    def begin(self, work):
        caller = asyncio.ensure_future(work)
        self.callers[caller] = None
        caller.add_done_callback(self.callers.pop)

    # -- the server, and the way to it ------------------------------------------------------

    def refuse_or_accept(self, _):
        self.server.error = None if self.server.error else ConnectionRefusedError()

    def fall_silent(self, _):
        self.server.silent = True

    def speak_again(self, _):
        self.server.silent = False

    def kill_a_connection(self, which):
        for connection in chosen(which, *self.connections()):
            self.server.kill(connection)

    def hang_a_connection(self, which):
        for connection in chosen(which, *self.connections()):
            connection.is_silent = True

    def connections(self):
        return sorted(self.server.open, key=lambda connection: connection.number)

    # -- what the room itself does, and whoever runs it ---------------------------------------

    def cancel_a_task(self, which):
        for task in chosen(which, *sorted(self.home.keeper._tasks, key=number_of)):
            task.cancel()

    def condemn_all(self, _):
        self.home.keeper.condemn_all("tried out")

    def forgive(self, _):
        self.home.keeper.growth.forgive()

    def pause(self, _):
        ending.pause(self.home.keeper)

    def resume(self, _):
        ending.resume(self.home.keeper)

    def resize(self, which):
        ending.resize(self.home.keeper, 1 + which % 4, which // 4)

    def drain(self, which):
        self.begin(ending.drain(self.home.keeper, [0, 0.3, 3][which % 3]))

    def dispose(self, _):
        self.begin(greenlet_spawn(self.home.pool.dispose))

    # -- what must be true --------------------------------------------------------------------

    def checked(self, make, is_true):
        """*make* makes an error; what it says must be true just then."""

        def told(*args):
            error = make(*args)
            if not is_true(error):
                self.lies.append(f"{error!r} with {numbers_of(self.home.places)}")
            return error

        return told

    def is_exhausted(self, error):
        places = self.home.places
        # A line that is full is so whatever it waits for.
        is_held_up = error.timeout == 0 or (places.lent > 0 and not places.room)
        return places.is_paused or is_held_up

    def is_unavailable(self, _):
        return self.home.keeper.queue._failed_at > float("-inf")

    def assert_bounded(self):
        places = self.home.places
        assert min(places.lent, places.dialing, places.checking, places.closing) >= 0
        # One that was made smaller shrinks as its connections come back.
        self.largest = max(self.largest if places.taken > places.most else 0, places.most)
        assert places.taken <= self.largest
        assert places.usable + places.closing >= len(self.home.keeper.slots) - places.dialing

    async def ended(self):
        self.server.error, self.server.silent = None, False
        for connection in self.server.open:
            connection.is_silent = False
        await asyncio.sleep(10)
        ending.resume(self.home.keeper)
        await asyncio.sleep(40)
        assert not self.callers, "somebody waits for ever"
        assert not self.lies
        self.home.keeper.growth.forgive()
        for _ in range(self.home.places.most):
            await asyncio.wait_for(self.home.use(), 2)
        await asyncio.sleep(35)
        # What is being replaced just now comes to its end, and nothing else begins.
        for _ in range(10):
            self.home.keeper.upkeep.stop()
            await asyncio.sleep(0.5)
        self.home.assert_whole()


@pytest.mark.properties
@pytest.mark.timeout(600)
def test_whatever_happens_no_place_and_no_wake_up_is_lost(house):
    # To open it is a step as well.
    stories = settings(
        max_examples=settings().max_examples,
        stateful_step_count=STEPS + 1,
        # To tell one failure in fewer steps takes long enough.
        report_multiple_bugs=False,
    )
    run_state_machine_as_test(lambda: Story(house), settings=stories)
