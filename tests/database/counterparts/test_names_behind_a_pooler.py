"""By which name a transaction's backend is known behind a pooler."""

import re
from urllib.parse import quote

import asyncpg
import pytest
from sqlalchemy import text

from koo.database.drivers.on_asyncpg import PromptConnection

from ..servers import Pgbouncer

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def bouncer(postgres):
    with Pgbouncer(postgres.port, default_pool_size=4) as pooler:
        yield pooler


async def run(manager, statement):
    async with manager.session_scope() as session:
        return (await session.execute(text(statement))).scalar()


NAMED = "SELECT count(*) FROM pg_stat_activity WHERE application_name ~ '[(]koo [0-9a-f]{16}[)]$'"
NAME = "SELECT current_setting('application_name')"


async def test_a_transaction_has_a_name_as_long_as_it_lasts(bouncer, postgres, driver, opened):
    async with (
        opened(postgres.url(driver)) as straight,
        opened(bouncer.url(driver)) as manager,
        opened(bouncer.url(driver)) as other,
    ):
        for _ in range(3):
            async with manager.session_scope() as session:
                await session.execute(text("SELECT 2"))
                assert await run(other, NAMED) == 2
                assert await run(straight, NAMED) == 1
        assert await run(straight, NAMED) == 0


async def test_behind_a_pooler_the_callers_own_name_is_in_it(bouncer, opened):
    async with opened(f"{bouncer.url('psycopg')}?application_name=shop") as manager:
        name = await run(manager, NAME)
        assert name.startswith("shop (koo ")
        assert await run(manager, NAME) == name


async def test_a_name_that_asyncpg_was_given_is_known(bouncer):
    """Nobody but an event of the engine's can give it one: its URL takes none."""
    given = {"connection_class": PromptConnection, "server_settings": {"application_name": "shop"}}
    theirs = await asyncpg.connect(bouncer.url("x").replace("+x", ""), **given)
    try:
        assert theirs.application_name == "shop"
    finally:
        await theirs.close()


async def test_a_name_that_is_long_or_strange_is_cut_and_spelled_otherwise(
    bouncer, opened, postgres
):
    strange = quote("it's \\ " + "ä" * 60)
    async with (
        opened(f"{bouncer.url('psycopg')}?application_name={strange}") as manager,
        opened(postgres.url("psycopg")) as straight,
        manager.session_scope() as session,
    ):
        name = (await session.execute(text(NAME))).scalar_one()
        assert re.fullmatch(r"it\?s \? .* \(koo [0-9a-f]{16}\)", name)
        assert len(name.encode()) <= 63
        found = "SELECT count(*) FROM pg_stat_activity WHERE application_name = :name"
        async with straight.session_scope() as beside:
            assert (await beside.execute(text(found), {"name": name})).scalar_one() == 1
