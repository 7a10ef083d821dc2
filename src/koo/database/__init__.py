"""The database room: sessions from a watched pool, behind a circuit breaker.

Needs SQLAlchemy and a driver (``koo-platform[database]``). SQLAlchemy's errors
stay its own; whether to try again is decided by SQLSTATE and phase.
"""

from .config import DatabaseConfig
from .hosts import Credentials, CredentialsProvider
from .manager import DatabaseManager
from .pool import PoolExhausted, PoolStats
from .replicas import ReplicaStats
from .report import DatabaseStats
from .verdicts import Kind, StatementTimedOut, Verdict, classify, judge

__all__ = [
    "Credentials",
    "CredentialsProvider",
    "DatabaseConfig",
    "DatabaseManager",
    "DatabaseStats",
    "Kind",
    "PoolExhausted",
    "PoolStats",
    "ReplicaStats",
    "StatementTimedOut",
    "Verdict",
    "classify",
    "judge",
]
