"""Databases of one's own, on the server that all share."""

import itertools
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

_NUMBERS = itertools.count(1)


EVERY_DRIVER = ["asyncpg", "psycopg", "asyncmy"]


@pytest.fixture(params=EVERY_DRIVER)
def vault(request):
    """A server for the bank, and a driver for it."""
    name = "mariadb_victim" if request.param == "asyncmy" else "postgres"
    return request.getfixturevalue(name), request.param


@pytest.fixture(params=EVERY_DRIVER)
def fragile_vault(request):
    """A server of one's own, to be killed, and a driver for it."""
    name = "mariadb_victim" if request.param == "asyncmy" else "victim"
    return request.getfixturevalue(name), request.param


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
