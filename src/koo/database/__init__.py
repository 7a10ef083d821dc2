"""The database room: sessions from a watched pool, behind a circuit breaker.

Needs SQLAlchemy and a driver (``koo-platform[database]``). SQLAlchemy's errors
stay its own; whether to try again is decided by SQLSTATE and phase.
"""

from .config import DatabaseConfig
from .manager import DatabaseManager
from .pool import PoolExhausted, PoolStats
from .report import DatabaseStats
from .verdicts import Kind, StatementTimedOut, Verdict, classify, judge

__all__ = [
    "DatabaseConfig",
    "DatabaseManager",
    "DatabaseStats",
    "Kind",
    "PoolExhausted",
    "PoolStats",
    "StatementTimedOut",
    "Verdict",
    "classify",
    "judge",
]
