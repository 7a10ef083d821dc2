"""The names that the documentation tells are those that are told."""

import re
from pathlib import Path

from koo.monitoring import EventCounts
from koo.monitoring.metrics import names, registry

PAGE = Path(__file__).parents[3] / "docs/monitoring.md"


def test_every_documented_metric_exists():
    told = {name.name for name in (*names._READINGS.values(), *names._SPREADS.values())}
    told |= {name.limit for name in names._READINGS.values()}
    told |= set(registry._STATES_OF_ALL) | {family.name for family in EventCounts().families()}
    told |= {"koo_alerts"}
    documented = set(re.findall(r"`(koo_[a-z_]+)`", PAGE.read_text(encoding="utf-8")))
    assert len(documented) > 20
    assert documented <= told
