"""Every name that koo exports and how it is called, one a line, to standard output.

The reviewed copy is public-api.txt beside this file; `scripts/public-api` writes it anew.
"""

import importlib
import inspect
import pkgutil
import sys
from enum import Enum

DOORS = ("notify", "rulefile", "views")


def doors():
    """What a user imports from, by dotted name: koo, its errors, its rooms, and theirs."""
    koo = importlib.import_module("koo")
    rooms = [found.name for found in pkgutil.iter_modules(koo.__path__, "koo.") if found.ispkg]
    names = ["koo", "koo.errors", *(f"koo.monitoring.{door}" for door in DOORS), *rooms]
    return {name: importlib.import_module(name) for name in names}


def dump(doors):
    """Every door with every name it exports and how it is called, one a line, sorted."""
    lines = []
    for name, door in sorted(doors.items()):
        for export in sorted(door.__all__):
            lines += _described(f"{name}.{export}", getattr(door, export))
    return "\n".join(lines) + "\n"


def _described(name, value):
    if inspect.isroutine(value):
        return [_called(name, value)]
    if not inspect.isclass(value):
        return [name]
    head = name + _bases(value)
    return [head if _is_never_called(value) else _called(head, value)] + [
        f"    {_called('.' + member, found)}" for member, found in sorted(_members(value).items())
    ]


def _members(value):
    """What a class offers itself or inherits from a class that no door shows."""
    hidden = [
        base for base in value.__mro__ if base.__module__.startswith("koo") and not _is_shown(base)
    ]
    return {
        name: found
        for cls in [*reversed(hidden), value]
        for name, found in vars(cls).items()
        if not name.startswith("_")
    }


def _is_shown(cls):
    """Whether the door of its own room exports *cls*."""
    door = sys.modules[".".join(cls.__module__.split(".")[:2])]
    return cls.__name__ in getattr(door, "__all__", ())


def _is_never_called(value):
    return issubclass(value, Enum) or getattr(value, "_is_protocol", False)


def _bases(value):
    bases = [base.__name__ for base in value.__bases__ if base is not object]
    return f" <- {', '.join(bases)}" if bases else ""


def _called(name, value):
    if isinstance(value, staticmethod | classmethod):
        value = value.__func__
    if not (inspect.isroutine(value) or inspect.isclass(value)):
        return name
    waits = "async " if inspect.iscoroutinefunction(value) else ""
    return waits + name + _signature(value)


def _signature(value):
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return ""
    parameters = [
        parameter.replace(default=_Default(parameter.default))
        if parameter.default is not parameter.empty
        else parameter
        for parameter in signature.parameters.values()
    ]
    return str(signature.replace(parameters=parameters)).replace("'", "")


class _Default:
    """A default value by what it is, not by what is inside it or where in memory it lies."""

    def __init__(self, value):
        self.value = value

    def __repr__(self):
        match self.value:
            case None | bool() | int() | float() | str() | bytes() | ():
                return repr(self.value)
            case named if hasattr(named, "__qualname__"):
                return named.__qualname__
            case other:
                return f"{type(other).__name__}(...)"


if __name__ == "__main__":
    sys.stdout.write(dump(doors()))
