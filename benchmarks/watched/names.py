"""A hundred thousand names that callers make up: of models, of services, of pages."""

from __future__ import annotations

import gc
from pathlib import Path

from lab.figures import Figure, Section

from koo.ai import PriceTable, Prompt
from koo.monitoring import Journal

from .services import Silent, application, service, visit

__all__ = ["made_up_names"]

_NAMES = 100_000
_EARLY = 20_000
_KIB = 1024


async def made_up_names() -> Section:
    asked = service("lab", Silent(), PriceTable())
    app, console = application([asked], Journal())

    async def ask(first: int, last: int) -> tuple[int, int]:
        for number in range(first, last):
            await asked.query(Prompt("hi", model=f"made-up-{number}"))
            await visit(app, "GET", f"/made-up/{number}")
            if number % 10 == 0:
                await visit(app, "GET", f"/api/v1/monitoring/ai-services/made-up-{number}/metrics")
        families = console.monitor.metrics()
        gc.collect()
        series = sum(len(family.points) + len(family.spreads) for family in families)
        return series, _resident()

    early, before = await ask(0, _EARLY)
    late, after = await ask(_EARLY, _NAMES)
    figures = [
        Figure(f"series after {_EARLY:,} names", early, ""),
        Figure(f"series that the other {_NAMES - _EARLY:,} added", late - early, "", "= 0"),
        Figure("memory that they added", (after - before) / _KIB, "KiB", "<= 1,024 KiB"),
    ]
    method = (
        f"{_NAMES:,} made-up names of models, all answered and billed, as many of pages, a tenth"
        " as many of services. Resident memory of the process, collected garbage apart."
    )
    return Section("Made-up names", method, figures)


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * 4096
