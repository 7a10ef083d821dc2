"""The shape of the files: small, few to a folder, each test beside its room."""

import ast
import statistics
from collections import Counter

import pytest

LINES_AT_MOST = 400
MOST_LINES_UNDER = 250
FILES_IN_A_FOLDER = 10
THE_FLOOR = "src/koo/resilience"
CODE = ("src", "backend", "tests", "benchmarks", "examples")


def _lines(path):
    return len(path.read_text().splitlines())


@pytest.fixture(scope="module")
def code(root, python_files):
    return {
        str(path.relative_to(root)): path
        for path in python_files
        if path.relative_to(root).parts[0] in CODE
    }


def test_no_file_is_longer_than_a_reader_can_hold(code):
    too_long = {name: _lines(path) for name, path in code.items() if _lines(path) > LINES_AT_MOST}
    assert not too_long


def test_nine_files_in_ten_of_the_code_itself_are_short(code):
    sizes = [_lines(path) for name, path in code.items() if name.startswith(("src/", "backend/"))]
    assert statistics.quantiles(sizes, n=10)[-1] <= MOST_LINES_UNDER


def test_a_folder_of_code_holds_at_most_ten_files(root, tracked_files):
    folders = Counter(
        str(path.parent.relative_to(root))
        for path in tracked_files
        if path.suffix == ".py" and path.relative_to(root).parts[0] in {"src", "backend"}
    )
    full = {name: n for name, n in folders.items() if n > FILES_IN_A_FOLDER and name != THE_FLOOR}
    assert not full


def test_every_room_has_its_tests(root):
    rooms = {path.name for path in (root / "src/koo").iterdir() if (path / "__init__.py").exists()}
    tested = {path.name for path in (root / "tests").iterdir() if any(path.rglob("test_*.py"))}
    assert rooms <= tested


def test_no_test_bears_the_name_of_another_in_its_file(code):
    """The second would silently replace the first."""
    twice = {}
    for name, path in code.items():
        tree = ast.parse(path.read_text())
        for scope in [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef))]:
            counts = Counter(
                node.name
                for node in scope.body
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                and node.name.startswith("test_")
            )
            twice |= {f"{name}::{test}": n for test, n in counts.items() if n > 1}
    assert not twice


def test_every_script_is_executable_and_says_what_it_does(root):
    scripts = [path for path in (root / "scripts").iterdir() if path.is_file()]
    assert scripts
    for path in scripts:
        assert path.stat().st_mode & 0o111, f"{path.name} is not executable"
        first, second = path.read_text().splitlines()[:2]
        assert first.startswith("#!"), path.name
        assert second.startswith(("# ", '"""')), path.name


def test_every_script_sets_up_first(root):
    for path in (root / "scripts").iterdir():
        if path.is_file() and path.name != "setup":
            assert "scripts/setup" in path.read_text(), path.name
