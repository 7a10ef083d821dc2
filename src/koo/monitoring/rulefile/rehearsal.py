"""What comes of alert rules when numbers go so: a history in a line, and what shall be said.

[[test]]
name = "a queue that grows"
component = "database"
every = 10                                        seconds between two looks
numbers = { "pool.waiting" = "0 5x6 _ 0x3" }      0, six times 5, not known, three times 0
expect = { "30" = ["queue pending"], "90" = [] }  after so many seconds exactly these
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Final

from ..alerts import Alert, AlertState, Memory, Now, Rule, Sample, judge
from .tables import Table

__all__ = ["Scenario", "read_scenario", "rehearse"]

_STEP: Final = re.compile(r"(_|-?\d+(?:\.\d+)?)(?:x(\d+))?")
_LOOKS_AT_MOST: Final = 100_000
_EXPECTED: Final = re.compile(r"[a-z0-9-]+ (pending|firing)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A component's *numbers*, one look after the other, and what is to be shown when."""

    name: str
    component: str
    kind: str
    every: float
    numbers: Mapping[str, tuple[float | None, ...]]
    expect: Mapping[int, frozenset[str]]

    @property
    def looks(self) -> int:
        """How often to look: until the last expectation, and as long as there are numbers."""
        lengths = (len(values) for values in self.numbers.values())
        return max(*lengths, max(self.expect, default=0) + 1, 1)

    def sample(self, number: int) -> Sample:
        """What is seen at look *number*; the last value of a number stays."""
        seen = {name: values[min(number, len(values) - 1)] for name, values in self.numbers.items()}
        known = {name: value for name, value in seen.items() if value is not None}
        return Sample(component=self.component, kind=self.kind, numbers=known)


def rehearse(rules: Sequence[Rule], scenario: Scenario) -> tuple[str, ...]:
    """Where *rules* say something else than *scenario* expects; nothing if all is well."""
    return tuple(_surprises(rules, scenario))


def _surprises(rules: Sequence[Rule], scenario: Scenario) -> Iterator[str]:
    memory = Memory()
    for number in range(scenario.looks):
        at = number * scenario.every
        judgement = judge(rules, [scenario.sample(number)], Now(at, at), memory)
        memory = judgement.memory
        if number in scenario.expect:
            wanted, found = scenario.expect[number], frozenset(_shown(judgement.alerts))
            if wanted != found:
                yield f"after {at:g} s expected {_list(wanted)}, found {_list(found)}"


def _shown(alerts: Iterable[Alert]) -> Iterator[str]:
    for alert in alerts:
        if alert.state is not AlertState.RESOLVED:
            yield f"{alert.id.removeprefix(alert.component + ':')} {alert.state}"


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"


# -- reading --------------------------------------------------------------------------------------


def read_scenario(number: int, table: Table) -> Scenario:
    """The [[test]] number *number*; RuleFileError says what is wrong with it."""
    table.where = f"test {number}"
    table.knows("name", "component", "kind", "every", "numbers", "expect")
    name, component = table.text("name"), table.text("component")
    table.where = f"test {name}"
    every = table.number("every")
    if every <= 0:
        raise table.wrong("every must be above 0")
    return Scenario(
        name=name,
        component=component,
        kind=table.text("kind", component.partition(":")[0]),
        every=every,
        numbers=_numbers(table),
        expect=_expectations(table, every),
    )


def _numbers(table: Table) -> dict[str, tuple[float | None, ...]]:
    found = {
        name: _series(each, name, line)
        for each in table.tables("numbers")
        for name, line in each.items()
    }
    if not found:
        raise table.wrong("numbers must name at least one number")
    return found


def _series(table: Table, name: str, line: object) -> tuple[float | None, ...]:
    steps = [_STEP.fullmatch(word) for word in line.split()] if isinstance(line, str) else []
    matched = [step for step in steps if step]
    if not matched or len(matched) < len(steps):
        raise table.wrong(f'{name} must be text like "0 5x6 _ 0x3"')
    times = [int(step[2] or 1) for step in matched]
    if sum(times) > _LOOKS_AT_MOST:
        raise table.wrong(f"{name} has more than {_LOOKS_AT_MOST} values")
    values = (None if step[1] == "_" else float(step[1]) for step in matched)
    return tuple(
        value for value, many in zip(values, times, strict=True) for value in repeat(value, many)
    )


def _expectations(table: Table, every: float) -> dict[int, frozenset[str]]:
    found = {
        _look(each, at, every): frozenset(_expected(each, at))
        for each in table.tables("expect")
        for at, _ in each.items()
    }
    if not found:
        raise table.wrong("expect must say what is shown when")
    return found


def _look(table: Table, at: str, every: float) -> int:
    try:
        number = float(at) / every
    except ValueError:
        raise table.wrong(f"{at} must be a number of seconds") from None
    if not 0 <= number <= _LOOKS_AT_MOST or number != int(number):
        raise table.wrong(f"nobody looks after {at} s; take a multiple of every ({every:g})")
    return int(number)


def _expected(table: Table, at: str) -> tuple[str, ...]:
    names = table.texts(at)
    for name in names:
        if not _EXPECTED.fullmatch(name):
            raise table.wrong(f'{name} must be a rule and its state, like "pool-near firing"')
    return names
