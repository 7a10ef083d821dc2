"""Sessions that don't begin by themselves, or commit in two phases, were taken, and failed later.

Nor were such with binds of their own, whose first transaction elsewhere was a KeyError.
Without autobegin no function ever ran, and a scope failed after its COMMIT. A lost COMMIT in two
phases was repeated, though it had committed: nothing had looked at it.
"""

import pytest
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from koo.database import DatabaseConfig, DatabaseManager


class Base(DeclarativeBase):
    pass


class Table(Base):
    __tablename__ = "t"
    n: Mapped[int] = mapped_column(primary_key=True)


class TwoPhases(Session):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **{"twophase": True, **kwargs})


@pytest.mark.parametrize(
    ("maker", "why"),
    [
        (async_sessionmaker(twophase=True), "without twophase"),
        (async_sessionmaker(sync_session_class=TwoPhases), "without twophase"),
        (async_sessionmaker(autobegin=False), "without autobegin=False"),
        (
            async_sessionmaker(binds={Table: create_async_engine("sqlite+aiosqlite://")}),
            "without binds",
        ),
    ],
)
def test_they_are_refused_at_once(maker, why):
    with pytest.raises(ValueError, match=why):
        DatabaseManager(DatabaseConfig(url="sqlite://"), sessions=maker)


def test_others_are_welcome():
    DatabaseManager(DatabaseConfig(url="sqlite://"), sessions=async_sessionmaker(autoflush=False))
