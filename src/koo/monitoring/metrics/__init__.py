"""Every number that is counted, as families of metrics, and their forms on the wire.

reports, alerts, event counts --Registry.collect()--> families
--> Prometheus text, OpenMetrics, JSON      (form.py)
--> OpenTelemetry's data model              (koo.monitoring.otel)
"""

from __future__ import annotations

from .counts import EventCounts
from .family import Family, Kind, Labels, Point, Spread
from .form import JSON, OPEN_METRICS, PROMETHEUS, Form, choose_form
from .registry import Registry

__all__ = [
    "JSON",
    "OPEN_METRICS",
    "PROMETHEUS",
    "EventCounts",
    "Family",
    "Form",
    "Kind",
    "Labels",
    "Point",
    "Registry",
    "Spread",
    "choose_form",
]
