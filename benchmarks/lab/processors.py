"""Which processor runs what: with two or more, the server gets the last and the client the first.

Neither then takes from the other what is being measured.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["apart"]


@contextmanager
def apart(server: int | None) -> Iterator[None]:
    """Process *server* and this one on a processor each; this one gets its own back after it."""
    processors = sorted(os.sched_getaffinity(0))
    if len(processors) > 1 and server is not None:
        os.sched_setaffinity(server, processors[-1:])
        os.sched_setaffinity(0, processors[:1])
    try:
        yield
    finally:
        os.sched_setaffinity(0, processors)
