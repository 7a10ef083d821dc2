"""What a user can import: named once, sorted, documented, and reviewed as a file."""

import inspect
import subprocess
import sys
import types

import pytest

PUBLIC_API = "tests/architecture/public-api.txt"


def _is_public(name):
    return not name.startswith("_")


def _exports(module):
    return [name for name in getattr(module, "__all__", ()) if _is_public(name)]


def test_every_door_names_its_exports(doors):
    assert not [name for name, door in doors.items() if not hasattr(door, "__all__")]


def test_exports_are_sorted_and_named_once(doors):
    for name, door in doors.items():
        exports = list(door.__all__)
        assert len(exports) == len(set(exports)), name


def test_every_export_is_there(doors):
    for name, door in doors.items():
        missing = [export for export in door.__all__ if not hasattr(door, export)]
        assert not missing, f"{name} names {missing}"


def test_a_door_hides_nothing_it_holds(doors):
    """A public name of ours in a door's namespace is an export, or has an underscore."""
    for name, door in doors.items():
        held = {
            key
            for key, value in vars(door).items()
            if _is_public(key)
            and not isinstance(value, types.ModuleType)
            and str(getattr(value, "__module__", "")).startswith("koo")
        }
        assert held <= set(door.__all__), f"{name} holds {sorted(held - set(door.__all__))}"


def test_no_module_has_the_name_of_what_it_exports(modules):
    """`from koo.x import classify` must mean one thing, a module or what is in it."""
    clashes = {
        name
        for name, module in modules.items()
        if not hasattr(module, "__path__") and name.rpartition(".")[2] in _exports(module)
    }
    assert not clashes


def test_every_export_says_what_it_gives(doors):
    """A dataclass writes a docstring of its own, its signature: that one does not count."""
    silent = []
    for name, door in doors.items():
        for export in door.__all__:
            value = getattr(door, export)
            if inspect.isclass(value) or inspect.isfunction(value):
                doc = inspect.getdoc(value)
                if not doc or doc.startswith(f"{export}("):
                    silent.append(f"{name}.{export}")
    assert not silent


@pytest.mark.integration
def test_the_public_api_is_the_reviewed_one(root):
    """To accept a change on purpose: `scripts/public-api`, and read the difference."""
    program = [sys.executable, root / "tests/architecture/public_api.py"]
    dumped = subprocess.run(program, capture_output=True, check=True, text=True).stdout
    assert dumped.splitlines() == (root / PUBLIC_API).read_text().splitlines()
