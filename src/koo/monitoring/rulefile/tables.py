"""A TOML table read field by field; what is wrong becomes one sentence that says where."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from typing import Final

__all__ = ["RuleFileError", "Table"]

_NOTHING: Final = object()


class RuleFileError(ValueError):
    """What is wrong with a file of alert rules, and where, in one sentence."""


class Table:
    """The fields of one table; *where* it stands in the file begins every complaint."""

    def __init__(self, where: str, fields: object) -> None:
        self.where = where
        if not isinstance(fields, dict):
            raise self.wrong("must be a table")
        self._fields: Mapping[str, object] = fields

    def wrong(self, what: str) -> RuleFileError:
        """The complaint about it."""
        return RuleFileError(f"{self.where}: {what}")

    def knows(self, *names: str) -> None:
        """Refuse every field that is not among *names*."""
        for name in self._fields:
            if name not in names:
                near = difflib.get_close_matches(name, names, 1)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(names)}"
                raise self.wrong(f"there is no field {name}; {hint}")

    def has(self, name: str) -> bool:
        """Whether the field is there."""
        return name in self._fields

    def text(self, name: str, default: str | None = None) -> str:
        """The field as text; without a default it must be there."""
        value = self._get(name, default)
        if not isinstance(value, str):
            raise self.wrong(f"{name} must be text")
        return value

    def number(self, name: str, default: float | None = None) -> float:
        """The field as a finite number; without a default it must be there."""
        value = self._get(name, default)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
        ):
            raise self.wrong(f"{name} must be a number")
        return float(value)

    def texts(self, name: str) -> tuple[str, ...]:
        """The field as a list of texts, empty if it is not there."""
        values = self._fields.get(name, [])
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise self.wrong(f"{name} must be a list of texts")
        return tuple(values)

    def tables(self, name: str) -> tuple[Table, ...]:
        """The field as one table or a list of them, empty if it is not there."""
        values = self._fields.get(name, [])
        found = values if isinstance(values, list) else [values]
        return tuple(Table(f"{self.where}, {name}", value) for value in found)

    def items(self) -> Iterable[tuple[str, object]]:
        """Every field as it stands."""
        return self._fields.items()

    def _get(self, name: str, default: object) -> object:
        value = self._fields.get(name, _NOTHING if default is None else default)
        if value is _NOTHING:
            raise self.wrong(f"{name} is missing")
        return value
