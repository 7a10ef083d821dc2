"""A large body is one of long texts and pictures: what stands between its strings is little.

To read a string takes the time of a copy; a million small values would hold the loop for seconds.
"""

from __future__ import annotations

import re
from typing import Final

from ...problems import Problem

__all__ = ["check_bulk"]

#: Up to so many bytes a body may be whatever it likes.
_SMALL: Final = 2**20
#: As many as some ten thousand messages have between their strings.
_MOST_BETWEEN: Final = 2**16
# Each step is taken once, whatever follows: a string that never ends is one to the end.
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)


def check_bulk(body: bytes) -> None:
    """Raise the 413 for a large *body* of many small values."""
    if len(body) <= _SMALL:
        return
    between = end = 0
    for string in _STRING.finditer(body):
        between += string.start() - end
        end = string.end()
        if between > _MOST_BETWEEN:
            break
    else:
        between += len(body) - end
    if between > _MOST_BETWEEN:
        detail = "a body above 1 MiB is one of long texts and pictures; this holds too many values"
        raise Problem(413, "body_too_large", detail)
