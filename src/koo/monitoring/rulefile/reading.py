"""Alert rules of a user's own, from TOML.

off = ["ai:limit-near"]              rules of koo that are not wanted
[[rule]]  kind, name, severity, title, what, advice, when, for, keep, unless, runbook
one of the same kind and name takes the place of koo's
[[test]]  what shall come of it (see rehearsal)
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from ..alerts import (
    RULES,
    Above,
    Below,
    Burn,
    Condition,
    Forecast,
    Increase,
    Rises,
    Rule,
    Severity,
)
from .rehearsal import Scenario, read_scenario
from .tables import RuleFileError, Table

__all__ = ["RuleFile", "read_rules"]

_FIELDS: Final = (
    "kind", "name", "severity", "title", "what", "advice", "when", "for", "keep", "unless",
    "runbook",
)  # fmt: skip
_OWN_RUNBOOK: Final = "docs/monitoring.md#your-own-rules"


@dataclass(frozen=True, slots=True)
class RuleFile:
    """All rules that are in force: koo's, but for those switched off or replaced, and *own*."""

    rules: tuple[Rule, ...]
    own: tuple[Rule, ...] = ()
    scenarios: tuple[Scenario, ...] = ()


def read_rules(text: str, base: Iterable[Rule] = RULES) -> RuleFile:
    """The rules of a TOML file's *text* on top of *base*; RuleFileError says what is wrong."""
    try:
        parsed = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RuleFileError(f"this is no TOML; {error}") from None
    top = Table("file", parsed)
    top.knows("off", "rule", "test")
    own = tuple(_rule(number, table) for number, table in enumerate(top.tables("rule"), 1))
    _refuse_doubles(own)
    kept = _without(tuple(base), top, own)
    scenarios = enumerate(top.tables("test"), 1)
    return RuleFile(
        (*kept, *own), own, tuple(read_scenario(number, table) for number, table in scenarios)
    )


def _without(base: tuple[Rule, ...], top: Table, own: tuple[Rule, ...]) -> tuple[Rule, ...]:
    off, known = top.texts("off"), {_full_name(rule) for rule in base}
    for name in off:
        if name not in known:
            raise top.wrong(
                f"off names {name}, which is no rule; known are {', '.join(sorted(known))}"
            )
    gone = {*off, *map(_full_name, own)}
    return tuple(rule for rule in base if _full_name(rule) not in gone)


def _full_name(rule: Rule) -> str:
    return f"{rule.kind}:{rule.name}"


def _refuse_doubles(rules: tuple[Rule, ...]) -> None:
    names = [_full_name(rule) for rule in rules]
    for name in names:
        if names.count(name) > 1:
            raise RuleFileError(f"file: two rules are called {name}; give one another name")


def _rule(number: int, table: Table) -> Rule:
    table.where = f"rule {number}"
    table.knows(*_FIELDS)
    name = table.text("name")
    table.where = f"rule {name}"
    try:
        return Rule(
            kind=table.text("kind"),
            name=name,
            severity=_severity(table),
            title=table.text("title"),
            what=table.text("what"),
            advice=table.text("advice"),
            runbook=table.text("runbook", _OWN_RUNBOOK),
            when=tuple(_condition(one) for one in table.tables("when")),
            unless=table.texts("unless"),
            hold=table.number("for", 0.0),
            keep=table.number("keep", 60.0),
        )
    except RuleFileError:
        raise
    except ValueError as error:
        raise RuleFileError(str(error)) from None


def _severity(table: Table) -> Severity:
    try:
        return Severity(table.text("severity"))
    except ValueError:
        raise table.wrong(f"severity must be one of {', '.join(Severity)}") from None


# -- conditions -----------------------------------------------------------------------------------


def _condition(table: Table) -> Condition:
    for field, read in _READERS.items():
        if table.has(field):
            return _sound(table, read)
    raise table.wrong(f"must say one of {', '.join(_READERS)}")


def _sound(table: Table, read: Callable[[Table], Condition]) -> Condition:
    try:
        return read(table)
    except RuleFileError:
        raise
    except ValueError as error:
        raise table.wrong(str(error)) from None


def _above(table: Table) -> Condition:
    table.knows("number", "above", "clear")
    limit = table.number("above")
    return Above(table.text("number"), limit, table.number("clear", limit))


def _below(table: Table) -> Condition:
    table.knows("number", "below", "clear")
    limit = table.number("below")
    return Below(table.text("number"), limit, table.number("clear", limit))


def _increase(table: Table) -> Condition:
    table.knows("increase", "by", "within")
    return Increase(table.text("increase"), table.number("by"), table.number("within"))


def _rises(table: Table) -> Condition:
    table.knows("rises", "times", "within")
    return Rises(table.text("rises"), table.number("times"), table.number("within"))


def _burn(table: Table) -> Condition:
    table.knows("burn", "objective", "long", "short", "at_least", "bad", "total")
    return Burn(
        factor=table.number("burn"),
        objective=table.number("objective", 0.99),
        long=table.number("long"),
        short=table.number("short"),
        at_least=table.number("at_least", 20.0),
        bad=table.text("bad", "failures_total"),
        total=table.text("total", "requests_total"),
    )


def _forecast(table: Table) -> Condition:
    table.knows("forecast", "resets_at", "within")
    return Forecast(
        number=table.text("forecast"),
        resets_at=table.text("resets_at"),
        within=table.number("within", 3600.0),
    )


_READERS: Final[Mapping[str, Callable[[Table], Condition]]] = {
    "above": _above,
    "below": _below,
    "increase": _increase,
    "rises": _rises,
    "burn": _burn,
    "forecast": _forecast,
}
