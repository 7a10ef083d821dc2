"""The same numbers for OpenTelemetry, and spans of what is called. Needs the extra ``otel``.

    families --metrics_data()--> OpenTelemetry's data model --MetricsPush--> any of its exporters

Its own instruments cost a hundred times what a counter of ours does, so nothing is counted
there: what is pushed are the counters and histograms that everything else is told of too.
"""

from __future__ import annotations

from .names import Conventions
from .push import MetricsPush, metrics_data
from .spans import Spans

__all__ = ["Conventions", "MetricsPush", "Spans", "metrics_data"]
