"""A transaction, and whether it has committed.

sessions     a session that commits at its end; attempts: a function in one, in time
certainty    what a lost COMMIT means: its witness is asked until it knows
choosing     which witness a database has: tokens or numbers (PostgreSQL), rows (all others)
"""

from .attempts import attempt
from .certainty import Certainty, Resolver, translated
from .choosing import Witnesses
from .sessions import Sessions, SessionScope, Transaction, commit_outcome_unknown

__all__ = [
    "Certainty",
    "Resolver",
    "SessionScope",
    "Sessions",
    "Transaction",
    "Witnesses",
    "attempt",
    "commit_outcome_unknown",
    "translated",
]
