"""Every case of every vendor, by name: what is sent when no good answer is."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from . import anthropic, compatible, gemini, openai, responses, transport
from .form import Asker, Scenario, stream_head

__all__ = ["SCENARIOS", "Asker", "Scenario", "find_scenario", "stream_head"]

#: All of them, vendor by vendor.
SCENARIOS: Final = (
    *anthropic.SCENARIOS,
    *openai.SCENARIOS,
    *responses.SCENARIOS,
    *gemini.SCENARIOS,
    *compatible.SCENARIOS,
    *transport.SCENARIOS,
)
_BY_NAME: Final[Mapping[tuple[str, str], Scenario]] = MappingProxyType(
    {(one.service, one.name): one for one in SCENARIOS}
)


def find_scenario(service: str, name: str) -> Scenario:
    """The case *name* of *service*, or of every service; raises ``KeyError`` if there is none."""
    found = _BY_NAME.get((service, name)) or _BY_NAME.get(("", name))
    if found is None:
        raise KeyError(f"Simulator: {service} has no scenario {name!r}")
    return found
