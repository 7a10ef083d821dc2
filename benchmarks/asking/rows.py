"""The rows of the table, by the name that `--row` takes."""

from collections.abc import Mapping

from lab.rows import Row

from .load import added_cpu, throughput
from .money import budget, kills, limit
from .place import Effort
from .trouble import dead, in_vain, late, truncated
from .weight import imports, memory

__all__ = ["ROWS"]

ROWS: Mapping[str, Row[Effort]] = {
    "throughput": throughput,
    "cpu": added_cpu,
    "imports": imports,
    "memory": memory,
    "budget": budget,
    "kills": kills,
    "limit": limit,
    "in-vain": in_vain,
    "late": late,
    "truncated": truncated,
    "dead": dead,
}
