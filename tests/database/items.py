"""A table of items, and what callers do with it."""

import contextlib

from sqlalchemy import text


@contextlib.asynccontextmanager
async def with_table(manager, name="items"):
    async with manager.session_scope() as session:
        await session.execute(text(f"DROP TABLE IF EXISTS {name}"))
        await session.execute(text(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, n INTEGER)"))
    yield
    async with manager.session_scope() as session:
        await session.execute(text(f"DROP TABLE {name}"))


async def insert(session, number):
    await session.execute(text("INSERT INTO items (id, n) VALUES (:i, 0)"), {"i": number})


async def insert_and_raise(manager, error, **options):
    async with manager.session_scope(**options) as session:
        await insert(session, 1)
        raise error


async def ask_and_raise(manager, error):
    async with manager.session_scope() as session:
        await session.execute(text("SELECT 1"))
        raise error


async def count(manager):
    async with manager.session_scope(readonly=True) as session:
        return (await session.execute(text("SELECT count(*) FROM items"))).scalar_one()
