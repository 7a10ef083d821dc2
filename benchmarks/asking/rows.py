"""The rows of the table, by the name that `--row` takes."""

from collections.abc import Mapping

from lab.rows import Row

from .load import added_cpu, throughput
from .money import budget, limit
from .place import Effort
from .trouble import dead, in_vain, late, truncated
from .weight import weight

__all__ = ["ROWS"]

ROWS: Mapping[str, Row[Effort]] = {
    "throughput": throughput,
    "cpu": added_cpu,
    "weight": weight,
    "budget": budget,
    "limit": limit,
    "in-vain": in_vain,
    "late": late,
    "truncated": truncated,
    "dead": dead,
}
