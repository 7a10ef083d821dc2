"""``koo alerts``: looking at alert rules, and trying them."""

from __future__ import annotations

import sys
from pathlib import Path

from ..monitoring import Rule, rulefile

__all__ = ["list_rules", "test_rules"]


def list_rules(file: str | None) -> int:
    """Print every rule in force, one a line."""
    found = rulefile.read_rules(Path(file).read_text(encoding="utf-8") if file else "")
    for rule in found.rules:
        _say(_line(rule, "yours" if rule in found.own else "koo"))
    return 0


def test_rules(file: str) -> int:
    """Play the tests of *file* and print what does not come out as expected."""
    found = rulefile.read_rules(Path(file).read_text(encoding="utf-8"))
    surprises = 0
    for scenario in found.scenarios:
        for surprise in rulefile.rehearse(found.rules, scenario):
            surprises += 1
            _say(f"{scenario.name}: {surprise}")
    _say(
        f"{len(found.own)} rules of your own, {len(found.rules)} in force; "
        f"{len(found.scenarios)} tests, {surprises} surprises"
    )
    return 1 if surprises else 0


def _line(rule: Rule, whose: str) -> str:
    times = f"for {rule.hold:g} s, keep {rule.keep:g} s"
    return f"{rule.kind + ':' + rule.name:<28}{rule.severity:<10}{times:<24}{whose:<7}{rule.title}"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
