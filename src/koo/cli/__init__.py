"""The operator's command: ``koo``, or ``python -m koo.cli``.

    koo alerts list [FILE]    every rule in force
    koo alerts test FILE      whether the file is right, and its tests hold

It ends with 0 if all is well, 1 if a test does not hold, 2 if something can't be read.
"""

from __future__ import annotations

from .program import main

__all__ = ["main"]
