"""What the tests of the stores share: a clock, a place for a file, and openers of stores."""

import sqlite3
from datetime import UTC, datetime

import pytest

from koo.stores import SQLiteStore
from koo.testing import FakeClock

from .pairs import both

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC).timestamp()


@pytest.fixture
def clock():
    return FakeClock(now=1000.0, epoch=NOON - 1000.0)


@pytest.fixture
def place(tmp_path):
    """Where the file is to be."""
    return tmp_path / "state.db"


@pytest.fixture
def open_store(place, clock):
    """A function that opens the file as another process would; all are closed at the end."""
    stores = []

    def open_store(**settings):
        store = SQLiteStore(place, **{"clock": clock, "boot": "first", **settings})
        stores.append(store)
        return store

    yield open_store
    for store in stores:
        store.close()


@pytest.fixture
def locked(place):
    """A function that locks the file as another program would, and gives the key."""
    connections = []

    def lock():
        connection = sqlite3.connect(place, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        connections.append(connection)
        return connection

    yield lock
    for connection in connections:
        connection.close()


@pytest.fixture
def gates(open_store):
    """A limiter and a budget made together, of a process that has opened the file already."""
    limiter, budget = gates = both(open_store())
    limiter.stats(), budget.stats()
    return gates


@pytest.fixture
def others(open_store):
    """The same two, of another process."""
    return both(open_store())
