"""Everybody wants the same row, under SERIALIZABLE, and everybody gets it."""

import asyncio

import pytest
from sqlalchemy import text

from koo.resilience import Backoff, RetryConfig

pytestmark = [pytest.mark.integration, pytest.mark.properties, pytest.mark.timeout(600)]

TASKS = 32
TIMES = 100
STUBBORN = RetryConfig(max_retries=20, backoff=Backoff(base_delay=0.01))


async def test_999_in_a_thousand_on_one_hot_serializable_row_succeed(
    postgres, driver, opened, scale, record_property
):
    async with opened(postgres.url(driver), retry=STUBBORN) as manager:
        async with manager.session_scope() as session:
            await session.execute(text("DROP TABLE IF EXISTS hot"))
            await session.execute(text("CREATE TABLE hot (n INTEGER)"))
            await session.execute(text("INSERT INTO hot VALUES (0)"))

        async def increment(session):
            n = (await session.execute(text("SELECT n FROM hot"))).scalar_one()
            await session.execute(text("UPDATE hot SET n = :n"), {"n": n + 1})

        async def task():
            failed = 0
            for _ in range(round(TIMES * scale)):
                try:
                    await manager.transact(increment, isolation_level="SERIALIZABLE")
                except Exception:  # noqa: BLE001
                    failed += 1
            return failed

        failed = sum(await asyncio.gather(*(task() for _ in range(TASKS))))
        asked = TASKS * round(TIMES * scale)
        async with manager.session_scope(readonly=True) as session:
            done = (await session.execute(text("SELECT n FROM hot"))).scalar_one()
        assert done == asked - failed
        assert failed <= asked / 1000
        record_property("counted", {"driver": driver, "asked": asked, "failed": failed})
