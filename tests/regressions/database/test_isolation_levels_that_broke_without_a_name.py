"""What a driver raised while a server was told an isolation level counted as the caller's own."""

from types import SimpleNamespace

import pytest
from sqlalchemy import exc

from koo.database import DatabaseConfig, Kind, judge
from koo.database.listening.preparing import prepare_in_time
from koo.database.pool import HOLDING, PoolCounts, Terms
from koo.resilience import SYSTEM_CLOCK

CONFIG = DatabaseConfig(url="sqlite://")
TERMS = Terms(CONFIG, PoolCounts(), SYSTEM_CLOCK, lambda: 0.0, lambda _: None)


class TheirError(Exception):
    """A driver's."""


class Lent:
    """A slot."""

    connection = driver = condemned = None


def failing(error):
    """Ask for something of a connection whose driver raises *error*; what became of its slot."""

    def ask(_connection, _wanted):
        raise error

    dialect = SimpleNamespace(
        loaded_dbapi=SimpleNamespace(Error=TheirError),
        is_disconnect=lambda *_: True,
        _set_connection_characteristics=ask,
    )
    slot = Lent()
    connection = SimpleNamespace(
        in_transaction=lambda: False, connection=SimpleNamespace(record_info={HOLDING: slot})
    )
    prepare_in_time(dialect, TERMS)
    with pytest.raises((exc.DBAPIError, ZeroDivisionError)) as caught:
        dialect._set_connection_characteristics(connection, {})
    return caught.value, slot.condemned


async def test_it_counts_as_a_broken_connection():
    error, condemned = failing(TheirError("gone"))
    assert isinstance(error, exc.DBAPIError)
    assert condemned
    verdict = judge(error)
    assert (verdict.kind, verdict.failure.retryable) == (Kind.CONNECTION, True)


async def test_what_is_not_the_drivers_keeps_its_name():
    error, condemned = failing(ZeroDivisionError())
    assert isinstance(error, ZeroDivisionError)
    assert condemned
