"""Python's garbage collector, out of the way of what lives as long as the program.

    start --postpone()--> imports, which make 150,000 objects --settle()--> work --> end

Collected again and again while they grow, they cost a fifth of the start; looked at once
more at the end, half a second of it.
"""

from __future__ import annotations

import gc

__all__ = ["postpone", "settle"]


def postpone() -> None:
    """Collect nothing until :func:`settle`."""
    gc.disable()


def settle() -> None:
    """Collect from now on, but never look at what is there already."""
    gc.freeze()
    gc.enable()
