"""A thousand COMMITs are cut in six ways, and each transfer is in the books once.

A tenth of them in the gate; all in the soak.
"""

import asyncio
from collections import Counter

import pytest

from .bank import WORKERS, Cut, Told, audit, by_name, manager_for, open_bank, worker

pytestmark = [pytest.mark.integration, pytest.mark.properties, pytest.mark.timeout(600)]

OPERATIONS = 1000


async def test_a_transfer_whose_commit_is_cut_happens_exactly_once(
    vault, scale, seed, record_property
):
    server, driver = vault
    operations = round(OPERATIONS * scale)
    bank = manager_for(server.url(driver), attempt_timeout=30)
    try:
        await open_bank(bank)
        results = await asyncio.gather(
            *(
                worker(server, driver, range(first, operations, WORKERS), seed + first)
                for first in range(WORKERS)
            )
        )
        tellings, cuts = {}, Counter()
        for heard, made in results:
            tellings |= heard
            cuts += made
        assert len(tellings) == operations
        wrong = await audit(bank, tellings)
        assert not wrong, "\n".join(["", *wrong])
        told = Counter(tellings.values())
        assert told == {Told.DONE: operations}
        assert all(cuts[cut] >= operations // len(Cut) for cut in Cut), cuts
        del cuts[None]  # those that were let through
        counted = {"driver": driver, "operations": operations, "seed": seed}
        record_property("counted", counted | {"told": by_name(told), "cuts": by_name(cuts)})
    finally:
        await bank.close()
