"""COMMITs that are cut on their way to a PgBouncer, and each transfer is in the books once."""

import asyncio
from collections import Counter

import pytest

from ..exactly_once.bank import WORKERS, Told, audit, manager_for, open_bank, worker
from ..servers import Pgbouncer

pytestmark = [pytest.mark.integration, pytest.mark.properties, pytest.mark.timeout(600)]

OPERATIONS = 360


async def test_a_transfer_whose_commit_is_cut_happens_exactly_once(postgres, driver, scale, seed):
    operations = round(OPERATIONS * scale)
    bank = manager_for(postgres.url(driver), attempt_timeout=30)
    try:
        await open_bank(bank)
        with Pgbouncer(postgres.port, default_pool_size=20) as bouncer:
            results = await asyncio.gather(
                *(
                    worker(bouncer, driver, range(first, operations, WORKERS), seed + first)
                    for first in range(WORKERS)
                )
            )
        tellings = {number: what for told, _ in results for number, what in told.items()}
        assert not await audit(bank, tellings)
        assert Counter(tellings.values()) == {Told.DONE: operations}
    finally:
        await bank.close()
