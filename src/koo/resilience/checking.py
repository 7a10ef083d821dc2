"""Whether what was given is what it must be, before anybody uses it.

A string, a truth value, 2.5 calls or an infinite wait would pass some comparison, or
fail one with a TypeError that names no field; a number where a config or a function
belongs would fail the first call.
"""

from __future__ import annotations

from sys import float_info
from types import UnionType

__all__ = [
    "check_finite",
    "check_functions",
    "check_part",
    "check_truth",
    "check_whole",
    "is_a",
    "is_finite",
]


def check_whole(config: object, *names: str, optional: tuple[str, ...] = ()) -> None:
    """Raise ValueError unless the fields *names* are whole numbers, or *optional* and None."""
    for name in names + optional:
        value = getattr(config, name)
        if _is_whole(value) or (value is None and name in optional):
            continue
        raise ValueError(_message(config, name, "a whole number", value))


def check_finite(config: object, *names: str, optional: tuple[str, ...] = ()) -> None:
    """Raise ValueError unless the fields *names* are finite numbers, or *optional* and None."""
    for name in names + optional:
        value = getattr(config, name)
        if (value is None and name in optional) or is_finite(value):
            continue
        raise ValueError(_message(config, name, "a finite number", value))


def check_truth(config: object, *names: str) -> None:
    """Raise ValueError unless each of the fields *names* of *config* is True or False."""
    for name in names:
        value = getattr(config, name)
        if not is_a(value, bool):
            raise ValueError(_message(config, name, "True or False", value))


def check_part(
    owner: str, name: str, value: object, kind: type, *, example: str | None = None
) -> None:
    """Raise ValueError unless *value*, which *owner* was given as *name*, is a *kind*."""
    if not is_a(value, kind):
        what = f"{name} must be a {kind.__name__}, not {value!r}"
        raise ValueError(f"{owner}: {what}; write {example or f'{kind.__name__}(...)'}")


def check_functions(owner: str, **functions: object) -> None:
    """Raise ValueError unless each of *functions*, which *owner* was given, can be called."""
    for name, function in functions.items():
        if callable(function):
            continue
        what = f"{name} must be a function, not {function!r}"
        raise ValueError(f"{owner}: {what}; leave it out for the usual one")


def is_finite(value: object) -> bool:
    """Whether *value* is a number that a float can hold, and not NaN; a truth value is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= float_info.max


def is_a(value: object, kind: type | UnionType) -> bool:
    """Whether *value* is a *kind*, asked of whoever had no type checker to tell."""
    return isinstance(value, kind)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _message(config: object, name: str, what: str, value: object) -> str:
    return f"{type(config).__name__}: {name} must be {what}, not {value!r}"
