"""A large body is one of long texts and pictures: what stands between its strings is little.

To read a string takes the time of a copy; a million small values would hold the loop for seconds.
"""

from __future__ import annotations

from typing import Final

from ...problems import Problem

__all__ = ["check_bulk"]

#: Up to so many bytes a body may be whatever it likes.
_SMALL: Final = 2**20
#: As many as some ten thousand messages have between their strings.
_MOST_MARKS: Final = 2**16
_NO_MARKS: Final = bytes(set(range(256)).difference(b'"{}[],:'))


def check_bulk(body: bytes) -> None:
    """Raise the 413 for a large *body* of many small values."""
    if len(body) > _SMALL and _is_fine_grained(body):
        detail = "a body above 1 MiB is one of long texts and pictures; this holds too many values"
        raise Problem(413, "body_too_large", detail)


def _is_fine_grained(body: bytes) -> bool:
    """Whether there are many marks outside of its strings; each step is as fast as a copy."""
    bare = body.replace(rb"\\", b"").replace(rb"\"", b"")
    marks = bare.translate(None, _NO_MARKS)
    if marks.count(b'"') > 2 * _MOST_MARKS:
        return True
    return sum(map(len, marks.split(b'"')[::2])) > _MOST_MARKS
