"""What can go wrong at a provider, and the script that says when.

request --> rule 1 strikes? --no--> rule 2 strikes? --no--> ... --no--> a good answer
              | yes                   | yes
              v                       v
          its fault               its fault          (a rule that is spent is dropped)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class Fault(Enum):
    """What goes wrong, in every vendor's own words and status."""

    RATE_LIMIT = "429 with the time to wait"
    OVERLOADED = "529 at Anthropic, else 503"
    SERVER_ERROR = "500"
    BAD_GATEWAY = "502 with a page instead of JSON"
    UNAVAILABLE = "503"
    GATEWAY_TIMEOUT = "504"
    WRONG_KEY = "401; at Gemini 400"
    NO_ACCESS = "403"
    OUT_OF_MONEY = "the account is empty: a status that differs from vendor to vendor"
    SPEND_LIMIT = "429 of a cap that no retry helps against: the account's, or the day's quota"
    UNKNOWN_MODEL = "404"
    TOO_LONG = "400: the prompt does not fit"
    INVALID_REQUEST = "400"
    REFUSED = "200 with a refusal instead of an answer"
    GARBAGE = "200 with a page instead of JSON"
    SLOW = "a good answer, late"
    HANG = "no answer until the client gives up"
    RESET = "the connection is reset before the answer"
    CUT = "the connection is reset in the middle of the answer"
    STALL = "half of the answer, then nothing more"
    EARLY_END = "half of the answer, ended as if it were whole"
    DRIP = "a good answer, byte by byte"
    PINGS = "half of a stream, then only signs of life"
    STREAM_ERROR = "an error event inside a stream; without a stream, OVERLOADED"


class Endpoint(Enum):
    """Which requests a rule is about."""

    COMPLETIONS = "completions"
    MODELS = "the list of models"
    ALL = "all"
    UNKNOWN = "what no service has; remembered, and answered with 404"


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault as it happens."""

    fault: Fault
    retry_after: float = 2.0
    """Seconds that RATE_LIMIT asks to wait."""
    delay: float = 1.0
    """Seconds by which SLOW is late, and between the bytes of DRIP and the signs of PINGS."""
    after: int | None = None
    """Bytes of the answer before CUT, STALL, EARLY_END and PINGS strike; None = half of it."""
    is_true: bool = False
    """Whether the limits themselves refuse, so that the headers tell of them as they are."""


@dataclass(slots=True)
class Rule:
    """When a fault strikes: *count* times (None = for ever), before *until* on the clock."""

    strike: Strike
    endpoint: Endpoint = Endpoint.COMPLETIONS
    count: int | None = None
    probability: float = 1.0
    until: float | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.probability <= 1.0:
            raise ValueError(f"Simulator: probability is {self.probability}; give one from 0 to 1")
        if self.count is not None and self.count < 1:
            raise ValueError(f"Simulator: count is {self.count}; give at least 1, or None")

    def is_about(self, endpoint: Endpoint) -> bool:
        """Whether requests to *endpoint* are meant."""
        return self.endpoint in {endpoint, Endpoint.ALL}

    def is_spent(self, now: float) -> bool:
        """Whether it will never strike again."""
        return self.count == 0 or (self.until is not None and now >= self.until)

    def spend(self) -> Strike:
        """Its fault; one less is left."""
        if self.count is not None:
            self.count -= 1
        return self.strike


class FaultScript:
    """The rules of one service, asked in the order in which they were added."""

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._rules: list[Rule] = []

    def add(self, rule: Rule) -> None:
        """Ask *rule* after those that are there."""
        self._rules.append(rule)

    def clear(self) -> None:
        """Forget every rule."""
        self._rules.clear()

    def next(self, endpoint: Endpoint, now: float) -> Strike | None:
        """What strikes this request; None = nothing."""
        self._rules = [rule for rule in self._rules if not rule.is_spent(now)]
        for rule in self._rules:
            if rule.is_about(endpoint) and self._random() < rule.probability:
                return rule.spend()
        return None
