"""A pool under random cancellations and faults: nothing is lost, and everybody is answered."""

import asyncio
import random

import pytest
from sqlalchemy import exc
from sqlalchemy.util import greenlet_spawn

from koo.database.pool.ending import drain, pause, resize, resume
from koo.errors import Rejected
from koo.testing import run

STEPS = 100_000
STEPS_OF_A_STORY = 500


def numbers_of(places):
    return {name: getattr(places, name) for name in places.__slots__}


class Story:
    """One pool, some callers, and a world that is not kind to them."""

    def __init__(self, house, dice):
        self.home = house(
            pool_size=dice.randint(1, 4),
            max_overflow=dice.randint(0, 3),
            max_waiting=dice.choice([3, 1000]),
            pool_timeout=dice.choice([0.5, 5.0]),
            pool_recycle=dice.choice([-1, 3.0]),
            reclaim_after=dice.choice([float("inf"), 4.0]),
            check_timeout=1.0,
        )
        self.dice = dice
        self.server = self.home.server
        self.server.connect_time = dice.choice([0.001, 0.05, 0.3])
        self.callers = set()
        self.largest = self.home.places.most
        self.lies = []
        queue = self.home.keeper.queue
        queue._exhausted = self.checked(queue._exhausted, self.is_exhausted)
        queue._unavailable = self.checked(queue._unavailable, self.is_unavailable)

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

    async def call(self):
        dice = self.dice
        try:
            lent = await self.home.borrow()
        except (Rejected, OSError, exc.SQLAlchemyError):
            return
        try:
            await asyncio.sleep(dice.choice([0, 0.01, 0.3, 1.5]))
            if dice.random() < 0.1:
                await greenlet_spawn(lent.invalidate)
            elif dice.random() < 0.03:
                await greenlet_spawn(lent.detach)
        finally:
            await greenlet_spawn(lent.close)

    def begin(self, work):
        caller = asyncio.ensure_future(work)
        self.callers.add(caller)
        caller.add_done_callback(self.callers.discard)

    def manage(self):
        """What whoever runs the pool does with it."""
        keeper, dice = self.home.keeper, self.dice
        match dice.randrange(9):
            case 0:
                pause(keeper)
            case 1 | 2 | 3 | 4:
                resume(keeper)
            case 5 | 6:
                resize(keeper, dice.randint(1, 4), dice.randint(0, 3))
            case 7:
                self.begin(drain(keeper, dice.choice([0, 0.3, 3])))
            case _:
                self.begin(greenlet_spawn(self.home.pool.dispose))

    def step(self):
        home, server, dice = self.home, self.server, self.dice
        match dice.randrange(17):
            case 0:
                server.error = None if server.error else ConnectionRefusedError()
            case 1:
                server.silent = dice.random() < 0.2
            case 2 if server.open:
                server.kill(dice.choice(sorted(server.open, key=id)))
            case 3 if server.open:
                dice.choice(sorted(server.open, key=id)).is_silent = True
            case 4 if self.callers:
                dice.choice(sorted(self.callers, key=id)).cancel()
            case 5 if home.keeper._tasks and dice.random() < 0.3:
                dice.choice(sorted(home.keeper._tasks, key=id)).cancel()
            case 6 if dice.random() < 0.2:
                home.keeper.condemn_all("tried out")
            case 7:
                home.keeper.growth.forgive()
            case 8:
                self.manage()
            case _:
                self.begin(self.call())
        self.assert_bounded()

    def assert_bounded(self):
        places = self.home.places
        assert min(places.lent, places.dialing, places.checking, places.closing) >= 0
        # One that was made smaller shrinks as its connections come back.
        self.largest = max(self.largest if places.taken > places.most else 0, places.most)
        assert places.taken <= self.largest
        assert places.usable + places.closing >= len(self.home.keeper.slots) - places.dialing

    async def told(self, steps):
        for _ in range(steps):
            self.step()
            await asyncio.sleep(self.dice.choice([0, 0, 0.001, 0.05, 0.4]))
        self.server.error, self.server.silent = None, False
        for connection in self.server.open:
            connection.is_silent = False
        await asyncio.sleep(10)
        resume(self.home.keeper)
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
def test_whatever_happens_no_place_and_no_wake_up_is_lost(house, seed, scale):
    for number in range(int(STEPS * scale / STEPS_OF_A_STORY)):
        dice = random.Random(seed + number)

        async def story(dice=dice):
            await Story(house, dice).told(STEPS_OF_A_STORY)

        try:
            run(story())
        except BaseException as error:
            error.add_note(f"story {number} of seed {seed}")
            raise
