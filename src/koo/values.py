"""Frozen values that are made by the thousand.

    @quickly_made
    @dataclass(frozen=True, slots=True)
    class Spent: ...

A frozen dataclass sets each field by ``object.__setattr__``, which looks the field up by its
name: half of what making a value costs, and a call makes a dozen of them. Here each slot's own
setter is found once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from functools import update_wrapper
from typing import Any, TypeVar

__all__ = ["quickly_made"]

T = TypeVar("T")


def quickly_made(kind: type[T]) -> type[T]:
    """*kind*, a frozen dataclass with slots and without factories, made in half the time."""
    given = [field for field in fields(kind) if field.init]  # type: ignore[arg-type]
    scope: dict[str, Any] = {f"set_{field.name}": _setter(kind, field) for field in given}
    scope |= {f"default_{field.name}": field.default for field in given}
    steps = [f"set_{field.name}(self, {field.name})" for field in given]
    if hasattr(kind, "__post_init__"):
        steps.append("self.__post_init__()")
    head = f"def __init__(self, {', '.join(_parameters(given))}):"
    exec("\n ".join([head, *steps]), scope)  # noqa: S102 - as dataclasses do, of the same names
    setattr(kind, "__init__", update_wrapper(scope["__init__"], kind.__init__))  # noqa: B010 - a type checker knows the old one
    return kind


def _setter(kind: type, field: Field[Any]) -> object:
    return getattr(kind, field.name).__set__


def _parameters(given: list[Field[Any]]) -> Iterator[str]:
    yield from (_parameter(field) for field in given if not field.kw_only)
    named = [_parameter(field) for field in given if field.kw_only]
    yield from ["*", *named] if named else ()


def _parameter(field: Field[Any]) -> str:
    return field.name if field.default is MISSING else f"{field.name}=default_{field.name}"
