"""The rows of the table, by the name that `--row` takes."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from lab.figures import Section
from pools.place import Effort

from .cost import cost, round_trips
from .outcome import hot_row, swallowed

__all__ = ["ROWS"]

_Row = Callable[[Effort], Awaitable[Sequence[Section]]]

ROWS: Mapping[str, _Row] = {
    "token-cost": cost,
    "token-round-trips": round_trips,
    "swallowed": swallowed,
    "hot-row": hot_row,
}
