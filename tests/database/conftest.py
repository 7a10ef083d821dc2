"""A real PostgreSQL for the room's tests, and managers that leave nothing behind."""

import contextlib

import pytest

from koo.database import DatabaseConfig, DatabaseManager
from koo.resilience import Backoff, RetryConfig
from koo.testing import PostgresServer

QUICK = RetryConfig(backoff=Backoff(base_delay=0.01, max_delay=0.05))


@pytest.fixture(scope="session")
def postgres():
    """A server that no test harms."""
    with PostgresServer(settings={"fsync": "off"}) as server:
        yield server


@pytest.fixture
def victim():
    """A server of one's own, to be killed."""
    with PostgresServer(settings={"fsync": "off"}) as server:
        yield server


@pytest.fixture(params=["asyncpg", "psycopg"])
def driver(request):
    return request.param


@pytest.fixture
def sqlite_url(tmp_path):
    return f"sqlite:///{tmp_path}/app.db"


@pytest.fixture(params=["asyncpg", "psycopg", "aiosqlite"])
def url(request, tmp_path):
    """The same database by each driver."""
    if request.param == "aiosqlite":
        return f"sqlite:///{tmp_path}/app.db"
    return request.getfixturevalue("postgres").url(request.param)


@pytest.fixture
def opened():
    """`async with opened(url, ...) as manager`: closed at the end, whatever happens."""

    @contextlib.asynccontextmanager
    async def opened(url, *, on_event=lambda _: None, **config):
        config.setdefault("retry", QUICK)
        manager = DatabaseManager(DatabaseConfig(url=url, **config), on_event=on_event)
        try:
            yield manager
        finally:
            await manager.close()

    return opened
