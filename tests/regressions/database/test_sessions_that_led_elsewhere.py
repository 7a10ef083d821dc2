"""A get_bind that led to another engine was a KeyError, and to another manager's it was followed.

There its COMMIT would have been looked for in the wrong database.
"""

import asyncio
import functools

import pytest
from sqlalchemy import exc, text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session

from koo.database import DatabaseConfig, DatabaseManager

pytestmark = pytest.mark.integration


def routing(route):
    """What makes sessions of which each statement goes to *route* of where it would have gone."""

    class Routing(Session):
        def get_bind(self, *args, **kwargs):
            return route(super().get_bind(*args, **kwargs))

    return async_sessionmaker(sync_session_class=Routing)


async def one(session):
    return (await session.execute(text("SELECT 1"))).scalar_one()


async def told(route):
    manager = DatabaseManager(DatabaseConfig(url="sqlite://"), sessions=routing(route))
    try:
        with pytest.raises(exc.InvalidRequestError, match="get_bind has led to another engine"):
            await manager.transact(one)
        with pytest.raises(exc.InvalidRequestError, match="get_bind has led to another engine"):
            async with manager.session_scope() as session:
                await one(session)
        assert manager.stats().pool.active == 0
    finally:
        await manager.close()


async def test_to_another_engine_it_is_refused_in_a_sentence(tmp_path):
    elsewhere = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/other.db")
    try:
        await told(lambda _: elsewhere.sync_engine)
        assert elsewhere.pool.checkedout() == 0
    finally:
        await elsewhere.dispose()


async def test_to_another_manager_as_well():
    other = DatabaseManager(DatabaseConfig(url="sqlite://"))
    try:
        await other.transact(one)
        await told(lambda _: other.engine.sync_engine)
        assert other.stats().pool.active == 0
    finally:
        await other.close()


async def test_to_the_same_engine_with_other_options_it_may():
    @functools.cache
    def translated(bind):
        return bind.execution_options(schema_translate_map={None: "main"})

    maker = routing(translated)
    manager = DatabaseManager(DatabaseConfig(url="sqlite://"), sessions=maker)
    try:
        assert await asyncio.wait_for(manager.transact(one), 20) == 1
    finally:
        await manager.close()
