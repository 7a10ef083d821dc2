"""One clear sentence for a wrong setting: which variable, what is wrong, what to do. No value."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pydantic import ValidationError

__all__ = ["SettingsError", "explain"]

_CURE: Final = "correct it in the environment or in .env"
_WHOLE: Final = "must be a whole number"
_NUMBER: Final = "must be a number"
_RULES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "int_parsing": _WHOLE,
        "int_parsing_size": _WHOLE,
        "int_from_float": _WHOLE,
        "float_parsing": _NUMBER,
        "decimal_parsing": _NUMBER,
        "finite_number": _NUMBER,
        "greater_than": "must be above {gt:g}",
        "greater_than_equal": "must be at least {ge}",
        "less_than_equal": "must be at most {le}",
        "literal_error": "must be {expected}",
        "value_error": "{error}",
    }
)


class SettingsError(ValueError):
    """A setting has a value that can't work; the message is one sentence naming the variable."""


def explain(error: ValidationError, prefix: str = "") -> SettingsError:
    """The first thing that *error* found; *prefix* is what its variables begin with."""
    first = error.errors(include_url=False, include_input=False)[0]
    variable = prefix + str(first["loc"][0]).upper() if first["loc"] else ""
    rule = _RULES.get(first["type"], "can't be understood").format(**first.get("ctx", {}))
    return SettingsError(f"{variable} {rule}; {_CURE}".strip())
