"""Whatever the network does, whenever: an answer in time, the right one, and nothing left over.

A tenth of the cases in the gate, the same every time; all of them in the soak.
"""

import asyncio
import gc
from itertools import islice

import pytest

from .cases import DRIVERS, all_cases, chosen
from .play import complaints

pytestmark = [pytest.mark.integration, pytest.mark.properties, pytest.mark.timeout(300)]

AT_ONCE = 18


def batches(cases):
    left = iter(cases)
    while batch := list(islice(left, AT_ONCE)):
        yield batch


async def later(seconds, work):
    """Not all at once: opening an engine takes a while of the loop's time."""
    await asyncio.sleep(seconds)
    return await work


# psycopg says so of each stream whose connection was torn off, when it is collected.
@pytest.mark.filterwarnings("ignore:.*was deleted while still open:ResourceWarning")
@pytest.mark.parametrize("driver", DRIVERS)
async def test_no_fault_at_any_moment_costs_more_than_it_must(
    driver, ledger, scale, seed, record_property
):
    wrong, cases = [], chosen(driver, scale, seed)
    async with ledger.opened() as server:
        for batch in batches(cases):
            told = await asyncio.gather(
                *(later(0.02 * place, complaints(case, server)) for place, case in enumerate(batch))
            )
            wrong += [complaint for complaints in told for complaint in complaints]
    gc.collect()
    counted = {"driver": driver, "cases": len(cases), "seed": seed, "repeated": server.repeated}
    record_property("counted", counted)
    assert not wrong, "\n".join(["", *wrong])


@pytest.mark.parametrize(
    ("driver", "number", "calls"),
    [("asyncpg", 630, 66), ("psycopg", 630, 66), ("asyncmy", 630, 60)],
)
def test_every_fault_meets_every_phase_every_ending_and_every_door(driver, number, calls):
    cases = all_cases(driver)
    assert len(set(map(str, cases))) == number
    kinds = {
        (case.phase, case.takes_back, case.is_elsewhere, case.is_transact, case.asked)
        for case in cases
    }
    assert len(kinds) == calls
