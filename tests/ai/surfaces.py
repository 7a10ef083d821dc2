"""The table of surfaces: what a vendor sends in each case, and what it must come to."""

import json
from dataclasses import dataclass
from pathlib import Path

from koo import errors
from koo.ai.providers import Anthropic, Compatible, Gemini, OpenAI, Perplexity, Responses
from koo.testing.simulator.scenarios import Asker, find_scenario

#: Stands for a prompt that a vendor quotes.
CANARY = "canary in a coal mine"
KEY = "key-that-must-not-be-seen"
#: 2026-11-23T00:00:00Z
NOW = 1_795_392_000.0
NOTHING = "-"

WIRES = {
    "openai": OpenAI,
    "openai-responses": Responses,
    "gemini": Gemini,
    "perplexity": Perplexity,
    "claude": Anthropic,
}


@dataclass(frozen=True)
class Row:
    service: str
    surface: str
    error: type[errors.ExternalServiceError] | None
    retryable: bool
    wait: float | None
    breaker: str
    sent: int

    @property
    def scenario(self):
        return find_scenario(self.service, self.surface)

    @property
    def wire(self):
        return WIRES.get(self.service, Compatible)

    def answer(self):
        """Status, headers and document, as a client reads them off the wire."""
        sent = self.scenario.wire(Asker(CANARY, KEY, "m", NOW))
        head, _, body = sent.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")[1:]
        return self.scenario.status, dict(line.split(": ", 1) for line in lines), _parsed(body)


def _parsed(body):
    try:
        return json.loads(body)
    except ValueError:
        return None


def _row(line):
    service, surface, error, again, wait, breaker, sent = line.split()
    return Row(
        "claude" if service == "*" else service,
        surface,
        None if error == NOTHING else getattr(errors, error),
        again == "again",
        None if wait == NOTHING else float(wait),
        breaker,
        int(sent),
    )


_LINES = Path(__file__).with_name("surfaces.txt").read_text().splitlines()
ROWS = [_row(line) for line in _LINES if line and not line.startswith("#")]
#: Those that come as a status and a body that is an error's.
ERRORS = [
    row
    for row in ROWS
    if row.scenario.status >= 300
    or (row.scenario.status and row.error not in {None, errors.ContentRefusedError})
]
SERVICES = tuple(dict.fromkeys(row.service for row in ROWS))
