"""Who gives up while it is being found out what a lost COMMIT has done leaves nothing behind."""

import asyncio
import random

import pytest
from sqlalchemy import text

from koo.testing.cancellation import Moment, _cancel_before_waking, _Cut

from .bank import Cut, Told, audit, manager_for, open_bank, sabotaged, told

pytestmark = [pytest.mark.integration, pytest.mark.properties, pytest.mark.timeout(600)]


class CutAfterTheLoss:
    """Cancels at the *k*-th wait after a COMMIT was lost."""

    def __init__(self, saboteur, make_operation, k, moment):
        self.saboteur = saboteur
        self.make_operation = make_operation
        self.k = k
        self.moment = moment
        self.waits = 0

    def suspended_on(self, awaited):
        if not self.saboteur.made:
            return
        self.waits += 1
        if self.waits != self.k:
            return
        if self.moment is Moment.WAITING:
            asyncio.current_task().cancel()
        else:
            _cancel_before_waking(asyncio.current_task(), awaited)


async def played(postgres, driver, cut, k, moment):
    """How many waits there were, and what was told: None for a cancellation."""
    async with sabotaged(postgres, driver, k, attempt_timeout=30) as (manager, saboteur):
        saboteur.arm(cut)
        saboteur.only_once = True
        trial = CutAfterTheLoss(
            saboteur, lambda: told(manager, k, random.Random(k), max_retries=3), k, moment
        )
        task = asyncio.ensure_future(_Cut(trial))
        await asyncio.wait([task])
        async with asyncio.timeout(20):
            while manager.stats().pool.active:
                await asyncio.sleep(0.01)
        async with manager.session_scope() as session:
            assert (await session.execute(text("SELECT 2"))).scalar_one() == 2
        return trial.waits, None if task.cancelled() else task.result()


@pytest.mark.parametrize("cut", [Cut.REQUEST_LOST, Cut.REPLY_LOST], ids=lambda cut: cut.name)
async def test_a_cancellation_at_any_wait_of_the_resolution(postgres, driver, cut, scale, seed):
    bank = manager_for(postgres.url(driver), attempt_timeout=30)
    draw, cancelled = random.Random(seed), 0
    try:
        most, _ = await in_a_new_bank(bank, postgres, driver, cut, 1000, Moment.WAITING)
        assert most > 5
        every = [(k, moment) for k in range(1, most + 1) for moment in Moment]
        for k, moment in draw.sample(every, max(5, round(len(every) * scale))):
            _, what = await in_a_new_bank(bank, postgres, driver, cut, k, moment)
            cancelled += what is None
        assert cancelled > 0
    finally:
        await bank.close()


async def in_a_new_bank(bank, postgres, driver, cut, k, moment):
    await open_bank(bank)
    waits, what = await played(postgres, driver, cut, k, moment)
    # Cancelled, nobody knows; told, it is true.
    wrong = await audit(bank, {k: Told.UNKNOWN if what is None else what})
    assert not wrong, f"cut at {k}, {moment.value}: {wrong}"
    async with bank.session_scope() as session:
        orphans = text("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%'")
        for _ in range(1000):
            if (await session.execute(orphans)).scalar_one() == 0:
                return waits, what
            await session.commit()
            await asyncio.sleep(0.02)
    raise AssertionError(f"cut at {k}, {moment.value}: a transaction was left open")
