"""One transaction: what is known of it while it runs, and what its statements' words tell.

transaction   what is known of one
words         what a statement may do to it
fate          what became of it, when its COMMIT was lost
"""

from .fate import Fate, Trace
from .transaction import READONLY, Scope, Witness, spelled
from .words import Words, of_mysql, of_one, of_several

__all__ = [
    "READONLY",
    "Fate",
    "Scope",
    "Trace",
    "Witness",
    "Words",
    "of_mysql",
    "of_one",
    "of_several",
    "spelled",
]
