"""What the simulator remembers of a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .dialects import Document
from .faults import Endpoint, Fault

SECRETS = frozenset({"authorization", "x-api-key", "x-goog-api-key", "cookie"})


@dataclass(slots=True)
class Received:
    """One request and what became of it; keys are redacted."""

    service: str
    endpoint: Endpoint
    path: str
    headers: dict[str, str]
    """By lower-case name."""
    digest: str
    """The same for the same body: attempts of one call have it in common."""
    at: float
    """Monotonic seconds of the simulator's clock."""
    model: str = ""
    streams: bool = False
    document: Document = field(default_factory=dict)
    fault: Fault | None = None
    scenario: str = ""
    status: int | None = None
    """None while it has no answer, and if it never gets one."""
    input_tokens: int = 0
    """What a provider would bill, also for an answer that was cut."""
    output_tokens: int = 0


def redacted(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers by lower-case name, without what is secret in them."""
    named = {name.lower(): value for name, value in headers.items()}
    return {name: "redacted" if name in SECRETS else value for name, value in named.items()}
