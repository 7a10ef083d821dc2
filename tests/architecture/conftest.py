"""The project as a tree of files and as importable modules."""

import importlib
import pkgutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the project."""
    return ROOT


@pytest.fixture(scope="session")
def tracked_files() -> list[Path]:
    """Every file that git holds or would hold."""
    listing = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    paths = (ROOT / name for name in listing.stdout.split("\0") if name)
    return [path for path in paths if path.is_file()]


@pytest.fixture(scope="session")
def python_files(tracked_files) -> list[Path]:
    """Every Python file, whatever its name ends with."""
    return [path for path in tracked_files if path.suffix == ".py"]


@pytest.fixture(scope="session")
def modules() -> dict[str, object]:
    """Every module of koo by its dotted name, imported."""
    koo = importlib.import_module("koo")
    names = [found.name for found in pkgutil.walk_packages(koo.__path__, "koo.")]
    return {
        name: importlib.import_module(name)
        for name in ["koo", *names]
        if not name.endswith("__main__")
    }


@pytest.fixture(scope="session")
def doors(modules) -> dict[str, object]:
    """What a user imports from: koo, its errors, its rooms, the views; not what is inside."""
    shown = {"koo.errors", "koo.monitoring.views"}
    return {
        name: module
        for name, module in modules.items()
        if name in shown or (name.count(".") <= 1 and hasattr(module, "__path__"))
    }
