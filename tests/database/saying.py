"""What a test says to a database beside what it is about, and what it finds there.

say         to a manager, in one transaction
say_to      to a server, each statement by itself, on a connection of its own
say_within  to a session, word for word as the driver sends it
"""

from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from koo.database import DatabaseConfig, DatabaseManager

#: MariaDB refuses the transaction, which may be repeated.
CONFLICT = "SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'Deadlock found'"


@asynccontextmanager
async def opened(url, **config):
    """A manager that is closed at the end, whatever happens."""
    manager = DatabaseManager(DatabaseConfig(url=url, **config))
    try:
        yield manager
    finally:
        await manager.close()


async def say(manager, *statements, **terms):
    """The value of the last of the *statements*, if it has one."""
    async with manager.session_scope(**terms) as session:
        return await _value(session, statements)


async def say_to(server, *statements):
    """The value of the last of the *statements*, if it has one."""
    engine = create_async_engine(server.url(), isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            return await _value(connection, statements)
    finally:
        await engine.dispose()


async def _value(connection, statements):
    for statement in statements:
        answer = await connection.execute(text(statement))
    return answer.scalar() if answer.returns_rows else None


async def say_within(session, *statements):
    connection = await session.connection()
    for statement in statements:
        await connection.exec_driver_sql(statement)


def refused_at_first(*statements):
    """A function that says so, is refused by MariaDB at first, and its runs."""
    runs = []

    async def work(session):
        runs.append(1)
        await say_within(session, *statements)
        if len(runs) == 1:
            await say_within(session, CONFLICT)

    return work, runs


async def rows(manager, table="ledger"):
    """How many there are."""
    return await say(manager, f"SELECT count(*) FROM {table}")


def witness_of(manager):
    """What *manager* finds out lost COMMITs by; None while it has nothing."""
    return manager._engines.witnesses._witness
