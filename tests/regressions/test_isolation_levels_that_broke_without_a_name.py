"""What a driver raised while a server was told an isolation level counted as the caller's own."""

from types import SimpleNamespace

import pytest
from sqlalchemy import exc

from koo.database import Kind, judge
from koo.database.listening.dialects import _judged


class TheirError(Exception):
    """A driver's."""


DIALECT = SimpleNamespace(
    loaded_dbapi=SimpleNamespace(Error=TheirError), is_disconnect=lambda *_: True
)


def failing(error):
    def work(_connection):
        raise error

    return _judged(DIALECT, work)


def test_it_counts_as_a_broken_connection():
    with pytest.raises(exc.DBAPIError) as caught:
        failing(TheirError("gone"))(None)
    verdict = judge(caught.value)
    assert (verdict.kind, verdict.failure.retryable) == (Kind.CONNECTION, True)


def test_what_is_not_the_drivers_keeps_its_name():
    with pytest.raises(ZeroDivisionError):
        failing(ZeroDivisionError())(None)
