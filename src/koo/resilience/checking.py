"""Whether a config's numbers are numbers, before anybody compares them.

A string, a truth value, 2.5 calls or an infinite wait would pass some comparison, or
fail one with a TypeError that names no field.
"""

from __future__ import annotations

from math import isfinite

__all__ = ["check_finite", "check_whole", "is_finite"]


def check_whole(config: object, *names: str) -> None:
    """Raise ValueError unless each of the fields *names* of *config* is a whole number."""
    for name in names:
        value = getattr(config, name)
        # Calls are weighed in these: nearly every one is a plain int.
        if type(value) is not int and not _is_whole(value):
            raise ValueError(_message(config, name, "a whole number", value))


def check_finite(config: object, *names: str, optional: tuple[str, ...] = ()) -> None:
    """Raise ValueError unless the fields *names* are finite numbers, or *optional* and None."""
    for name in (*names, *(each for each in optional if getattr(config, each) is not None)):
        value = getattr(config, name)
        if not is_finite(value):
            raise ValueError(_message(config, name, "a finite number", value))


def is_finite(value: object) -> bool:
    """Whether *value* is a number, neither infinite nor NaN; a truth value is none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _message(config: object, name: str, what: str, value: object) -> str:
    return f"{type(config).__name__}: {name} must be {what}, not {value!r}"
