"""Figures: a JSON line each on standard output, and a table each on the page."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from .paired import Estimate, meets

__all__ = ["Figure", "Section", "environment", "publish", "write_page"]

_PAGE = Path(__file__).parents[2] / "docs" / "performance.md"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value. *best*, *worst* and *interval* of *rounds*, where there were rounds."""

    what: str
    value: float
    unit: str
    goal: str = ""
    best: float | None = None
    worst: float | None = None
    rounds: int = 1
    times: float | None = None
    interval: tuple[float, float] | None = None

    @classmethod
    def estimated(cls, what: str, estimate: Estimate, unit: str, goal: str = "") -> Figure:
        """A median over rounds with its interval."""
        return cls(
            what, estimate.median, unit, goal, rounds=estimate.rounds, interval=estimate.interval
        )

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None without one."""
        return meets(self.value, self.goal)


@dataclass(frozen=True, slots=True)
class Section:
    """A table of the page: its title, a sentence on how it was measured, its figures.

    *details* are printed beside the figures, and do not stand in the table.
    """

    title: str
    method: str
    figures: Sequence[Figure]
    details: Sequence[Figure] = ()


def environment(peers: Iterable[str]) -> dict[str, object]:
    """Where and with what the figures came about."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "machine": f"{os.cpu_count()} x {_processor()}, {platform.system()}",
        "command": "scripts/bench",
        "peers": {name: version(name) for name in peers},
    }


def publish(benchmark: str, section: Section) -> None:
    """A JSON line for each figure of *section*."""
    for figure in (*section.figures, *section.details):
        told = asdict(figure) | {"met": figure.met}
        known = {name: value for name, value in told.items() if value not in {None, ""}}
        print(json.dumps({"benchmark": benchmark, "section": section.title, **known}), flush=True)


def write_page(marker: str, where: dict[str, object], sections: Sequence[Section]) -> None:
    """Replace what stands between the *marker*s of docs/performance.md."""
    begin, end = f"<!-- {marker} -->", f"<!-- end of {marker} -->"
    before, _, rest = _PAGE.read_text("utf-8").partition(begin)
    _, _, after = rest.partition(end)
    body = "\n\n".join([_told(where), *(_table(section) for section in sections)])
    _PAGE.write_text(f"{before}{begin}\n\n{body}\n\n{end}{after}", "utf-8")
    print(f"{_PAGE} written", file=sys.stderr)


def _told(where: dict[str, object]) -> str:
    peers = where["peers"]
    assert isinstance(peers, dict)
    named = ", ".join(f"{name} {number}" for name, number in sorted(peers.items()))
    return (
        f"Measured on {where['date']} with {where['python']} on {where['machine']}"
        f" by `{where['command']}`." + (f"\n\nPeers: {named}." if named else "")
    )


def _table(section: Section) -> str:
    columns = _columns(section.figures)
    rows = [[_cell(figure, column) for column in columns] for figure in section.figures]
    lines = [" | ".join(row) for row in [list(columns), ["---"] * len(columns), *rows]]
    return "\n".join([f"### {section.title}", "", section.method, "", *(f"| {x} |" for x in lines)])


def _columns(figures: Sequence[Figure]) -> dict[str, None]:
    columns = dict.fromkeys(["what", "measured"])
    if any(figure.best is not None for figure in figures):
        columns["best round"] = None
    if any(figure.interval is not None for figure in figures):
        columns["95 % interval"] = None
    if any(figure.times is not None for figure in figures):
        columns["times koo"] = None
    if any(figure.goal for figure in figures):
        columns["goal"] = None
    return columns


def _cell(figure: Figure, column: str) -> str:
    match column:
        case "what":
            return figure.what
        case "measured":
            return _number(figure.value, figure.unit)
        case "best round":
            return "" if figure.best is None else _number(figure.best, figure.unit)
        case "95 % interval":
            return "" if figure.interval is None else _range(*figure.interval)
        case "times koo":
            return "" if figure.times is None else f"{figure.times:.2g}"
    return figure.goal


def _number(value: float, unit: str) -> str:
    if float(value).is_integer() or abs(value) >= 100:
        return f"{value:,.0f} {unit}".rstrip()
    return f"{value:.3g} {unit}".rstrip()


def _range(low: float, high: float) -> str:
    return f"{_number(low, '')} to {_number(high, '')}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.machine()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())
