"""What a release is made of: the wheel's content, the changelog, the metadata."""

import re
import subprocess
import sys
import zipfile

import pytest

KINDS = {"added", "changed", "fixed", "removed"}


@pytest.mark.integration
def test_the_wheel_holds_koo_and_nothing_else(root, tmp_path):
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("koo_platform-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "koo/py.typed" in names
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"koo", "koo_platform"}
    assert not [name for name in names if "__pycache__" in name]


def test_every_changelog_fragment_is_a_sentence_of_a_known_kind(root):
    """`changelog.d/+what-changed.kind.md`, so that two changes never meet in one file."""
    for path in (root / "changelog.d").iterdir():
        if path.name == "README.md":
            continue
        name = re.fullmatch(r"\+[a-z0-9-]+\.([a-z]+)\.md", path.name)
        assert name, f"{path.name}: call it +what-changed.kind.md"
        assert name[1] in KINDS, f"{path.name}: one of {sorted(KINDS)}"
        assert path.read_text().strip().endswith("."), f"{path.name}: a sentence for users"


@pytest.mark.integration
def test_the_changelog_can_be_built(root):
    command = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "1.0.0"]
    draft = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    fragments = len(list((root / "changelog.d").glob("+*.md")))
    assert draft.count("\n- ") == fragments


def test_the_typing_marker_is_shipped(root):
    assert (root / "src/koo/py.typed").exists()
