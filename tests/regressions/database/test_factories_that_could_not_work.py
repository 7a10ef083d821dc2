"""Sessions that don't begin by themselves, or commit in two phases, were taken, and failed later.

Without autobegin no function ever ran, and a scope failed after its COMMIT. A lost COMMIT in two
phases was repeated, though it had committed: nothing had looked at it.
"""

import pytest
from sqlalchemy.ext.asyncio import async_sessionmaker
from sqlalchemy.orm import Session

from koo.database import DatabaseConfig, DatabaseManager


class TwoPhases(Session):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **{"twophase": True, **kwargs})


@pytest.mark.parametrize(
    ("maker", "why"),
    [
        (async_sessionmaker(twophase=True), "without twophase"),
        (async_sessionmaker(sync_session_class=TwoPhases), "without twophase"),
        (async_sessionmaker(autobegin=False), "without autobegin=False"),
    ],
)
def test_they_are_refused_at_once(maker, why):
    with pytest.raises(ValueError, match=why):
        DatabaseManager(DatabaseConfig(url="sqlite://"), sessions=maker)


def test_others_are_welcome():
    DatabaseManager(DatabaseConfig(url="sqlite://"), sessions=async_sessionmaker(autoflush=False))
