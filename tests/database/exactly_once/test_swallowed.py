"""A statement fails, its error is caught inside the transaction: the COMMIT is no success."""

import contextlib

import pytest
from sqlalchemy import exc, text

from koo.database import judge

pytestmark = pytest.mark.integration


async def book(session):
    await session.execute(text("INSERT INTO ledger VALUES (1)"))


async def book_and_swallow(session):
    await book(session)
    with contextlib.suppress(exc.DBAPIError):
        await session.execute(text("SELECT 1/0"))


async def in_a_scope(manager):
    async with manager.session_scope() as session:
        await book_and_swallow(session)


async def in_a_transaction(manager):
    await manager.transact(book_and_swallow)


async def in_a_commit_of_ones_own(manager):
    async def commits_itself(session):
        await book_and_swallow(session)
        await session.commit()

    await manager.transact(commits_itself)


async def on_a_connection(manager):
    async with manager.engine.begin() as connection:
        await book_and_swallow(connection)


WAYS = [in_a_scope, in_a_transaction, in_a_commit_of_ones_own, on_a_connection]


async def entries(manager):
    async with manager.session_scope(readonly=True) as session:
        return (await session.execute(text("SELECT count(*) FROM ledger"))).scalar_one()


@pytest.mark.parametrize("way", WAYS)
async def test_a_swallowed_failure_is_not_reported_as_success(
    postgres, driver, opened, ledger_in, way
):
    async with opened(postgres.url(driver)) as manager:
        await ledger_in(manager)
        with pytest.raises(exc.DBAPIError, match="nothing was committed, because a statement"):
            await way(manager)
        assert await entries(manager) == 0
        assert manager.stats().pool.invalidated_total == 0
        assert manager.stats().breaker.failures == 0


async def test_the_connection_of_a_swallowed_failure_is_as_good_as_ever(
    postgres, driver, opened, ledger_in
):
    async with opened(postgres.url(driver), pool_size=1, max_overflow=0) as manager:
        await ledger_in(manager)
        for way in WAYS:
            with pytest.raises(exc.DBAPIError) as caught:
                await way(manager)
            assert judge(caught.value).kind == "query"
            assert not judge(caught.value).failure.retryable
            await manager.transact(book)
        assert await entries(manager) == len(WAYS)
        assert manager.stats().pool.created_total == 1


async def test_a_failure_inside_a_savepoint_is_nobodys_business(
    postgres, driver, opened, ledger_in
):
    async with opened(postgres.url(driver)) as manager:
        await ledger_in(manager)

        async def careful(session):
            await book(session)
            with contextlib.suppress(exc.DBAPIError):
                async with session.begin_nested():
                    await session.execute(text("SELECT 1/0"))

        await manager.transact(careful)
        assert await entries(manager) == 1
