"""One transaction: what is known of it while it runs, and what its statements' words tell.

transaction   what is known of one
words         what a statement may do to it
witness       who can tell of it after its COMMIT was lost
"""

from .transaction import READONLY, Scope, spelled
from .witness import Fate, Trace, Witness

__all__ = ["READONLY", "Fate", "Scope", "Trace", "Witness", "spelled"]
