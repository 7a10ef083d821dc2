"""One transaction: what is known of it while it runs, and what its statements' words tell.

transaction   Scope, and who can tell of it afterwards
words         what a statement may do to it
"""

from .transaction import READONLY, Fate, Scope, Trace, Witness, spelled

__all__ = ["READONLY", "Fate", "Scope", "Trace", "Witness", "spelled"]
