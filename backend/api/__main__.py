"""Runs the application. Its imports take a second, in which Ctrl-C works too."""

from __future__ import annotations

from core import garbage
from core.signals import end_at_once

if __name__ == "__main__":
    end_at_once()
    garbage.postpone()

    from .program import main

    main()
