"""Databases of one's own, on the server that all share."""

import itertools
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

_NUMBERS = itertools.count(1)


@pytest.fixture
def database(postgres):
    """`async with database(driver) as (url, administrator)`: nobody has been here."""

    @asynccontextmanager
    async def database(driver, *, role=None):
        name = f"own_{next(_NUMBERS)}"
        root = create_async_engine(postgres.url(), isolation_level="AUTOCOMMIT")
        async with root.connect() as connection:
            await connection.execute(text(f"CREATE DATABASE {name}"))
            if role:
                await connection.execute(text(f"DROP ROLE IF EXISTS {role}"))
                await connection.execute(text(f"CREATE ROLE {role} LOGIN"))
        own = postgres.url(driver, database=name)
        administrator = create_async_engine(
            postgres.url(database=name), isolation_level="AUTOCOMMIT"
        )
        try:
            yield own.replace("postgres@", f"{role}@") if role else own, administrator
        finally:
            await administrator.dispose()
            async with root.connect() as connection:
                await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
                if role:
                    await connection.execute(text(f"DROP ROLE {role}"))
            await root.dispose()

    return database
