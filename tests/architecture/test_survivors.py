"""Each surviving mutant that the documentation explains lives in code that is still there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef
FIRST_CELL = re.compile(r"^\| ([^|]+) \|", re.MULTILINE)


def _names():
    """Every class and function of the library; methods also with their class."""
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, FUNCTIONS | ast.ClassDef):
                yield node.name
            if isinstance(node, ast.ClassDef):
                methods = [part.name for part in node.body if isinstance(part, FUNCTIONS)]
                yield from (f"{node.name}.{method}" for method in methods)


def _named():
    """What stands in code type in the first cell of a line."""
    for cell in FIRST_CELL.findall((ROOT / "docs/mutation.md").read_text()):
        yield from re.findall(r"`([A-Za-z_.]+)`", cell)


def test_every_explained_survivor_names_code_that_exists():
    named, names = set(_named()), set(_names())
    assert len(named) > 40
    assert not named - names
