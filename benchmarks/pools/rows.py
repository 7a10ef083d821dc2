"""The rows of the table, by the name that `--row` takes."""

from collections.abc import Mapping

from lab.rows import Row

from .black_hole import black_hole
from .half_open import half_open
from .hot import checkout, round_trips
from .outage import one_backend, outage, silent_outage
from .place import Effort
from .queues import fairness, overload
from .spike import spike
from .throughput import few_tasks, throughput

__all__ = ["ROWS"]

ROWS: Mapping[str, Row[Effort]] = {
    "throughput": throughput,
    "few-tasks": few_tasks,
    "checkout": checkout,
    "round-trips": round_trips,
    "spike": spike,
    "black-hole": black_hole,
    "half-open": half_open,
    "outage": outage,
    "silent-outage": silent_outage,
    "one-backend": one_backend,
    "overload": overload,
    "fairness": fairness,
}
