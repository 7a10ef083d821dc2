"""One transaction: what is known of it while it runs, and what its statements' words tell.

transaction   what is known of one
words         what a statement may do to it
fate          what became of it, when its COMMIT was lost
"""

from .fate import Fate, Trace
from .transaction import READONLY, Scope, Witness, spelled

__all__ = ["READONLY", "Fate", "Scope", "Trace", "Witness", "spelled"]
