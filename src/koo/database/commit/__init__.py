"""A transaction, and whether it has committed.

transaction  a session that commits at its end
certainty    what a lost COMMIT means: resolving asks the witness until it knows
choosing     which witness a database has: tokens or numbers (PostgreSQL), rows (all others)
"""

from .certainty import Certainty
from .choosing import Witnesses
from .resolving import Resolver
from .transaction import commit_outcome_unknown, end_attempt, transaction

__all__ = [
    "Certainty",
    "Resolver",
    "Witnesses",
    "commit_outcome_unknown",
    "end_attempt",
    "transaction",
]
