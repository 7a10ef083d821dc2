"""The rows of the table, by the name that `--row` takes."""

from collections.abc import Mapping

from lab.rows import Row
from pools.place import Effort

from .cost import cost, round_trips
from .lost import lost_commits
from .outcome import hot_row, swallowed

__all__ = ["ROWS"]

ROWS: Mapping[str, Row[Effort]] = {
    "token-cost": cost,
    "token-round-trips": round_trips,
    "lost": lost_commits,
    "swallowed": swallowed,
    "hot-row": hot_row,
}
