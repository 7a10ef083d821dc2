"""What is installed: pinned, hashed, from wherever the machine says."""

import re
import tomllib
from itertools import chain

import pytest

FILES = ("requirements.txt", "requirements-bench.txt", "requirements-bootstrap.txt")
# Spelled in pieces, so that this file passes its own test.
PACKAGE_HOSTS = [
    "pypi" + ".org",
    "pythonhosted" + ".org",
    "registry." + "npmjs",
    "deb." + "debian.org",
    "conda" + ".anaconda",
    "--index" + "-url",
    "--extra-index" + "-url",
    "--find" + "-links",
]
BINARY = {".png", ".ico", ".woff2", ".gz"}


def _pins(text):
    """Each requirement with its continuation lines joined."""
    return [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def _normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("name", FILES)
def test_every_requirement_is_pinned_and_hashed(root, name):
    pins = _pins((root / name).read_text())
    assert pins
    loose = [
        pin
        for pin in pins
        if not re.match(r"[A-Za-z0-9._-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", pin)
    ]
    assert not loose


@pytest.mark.parametrize("name", FILES)
def test_a_requirements_file_holds_no_address(root, name):
    assert not re.search(r"://|@ |/", (root / name).read_text())


def test_no_tracked_file_names_a_package_host(root, tracked_files):
    named = {
        f"{path.relative_to(root)}: {host}"
        for path in tracked_files
        if path.suffix not in BINARY
        for host in PACKAGE_HOSTS
        if host in path.read_text(errors="replace")
    }
    assert not named


def test_everything_declared_is_pinned(root):
    """A dependency added without `scripts/pin` is found here, not on a fresh machine."""
    project = tomllib.loads((root / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    extras = project["project"]["optional-dependencies"]
    declared = {
        "requirements.txt": [*chain(*extras.values()), *groups["test"], *groups["quality"]],
        "requirements-bench.txt": groups["bench"],
        "requirements-bootstrap.txt": groups["bootstrap"],
    }
    for name, wanted in declared.items():
        pinned = {_normal(pin.split("==")[0]) for pin in _pins((root / name).read_text())}
        names = {_normal(re.match(r"[A-Za-z0-9._-]+", one)[0]) for one in wanted}
        assert names - {"koo-platform"} <= pinned, name


def test_only_all_is_more_than_a_room(root):
    """`koo[all]` holds every other extra."""
    project = tomllib.loads((root / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    (everything,) = extras["all"]
    assert set(re.search(r"\[(.*)\]", everything)[1].split(",")) == set(extras) - {"all"}
