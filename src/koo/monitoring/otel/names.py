"""What OpenTelemetry calls our families, by version of its conventions.

https://opentelemetry.io/docs/specs/semconv/db/database-metrics and
https://github.com/open-telemetry/semantic-conventions-genai; both are in development, so
the version is a switch, and what they have no name for is ``koo.*`` in each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from ..metrics import Family, Kind, Labels

__all__ = ["Conventions", "Instrument", "instrument_of"]


class Conventions(StrEnum):
    """Whose names are used."""

    SEMCONV_0_66 = "semconv 0.66"
    KOO = "koo"


@dataclass(frozen=True, slots=True)
class Instrument:
    """A name, a unit, and what labels become; *adds_up*: a gauge whose parts may be summed."""

    name: str
    unit: str
    labels: Mapping[str, str]
    fixed: Mapping[str, str] = field(default_factory=dict)
    adds_up: bool = False

    def attributes(self, labels: Labels) -> dict[str, str]:
        """*labels* under their names there."""
        named = {self.labels.get(name, f"koo.{name}"): value for name, value in labels}
        service = named.get(_SERVICE)
        if service is None or not self.fixed:
            return named
        return {**named, **self.fixed, _PROVIDER: _PROVIDERS.get(service, service)}


_SERVICE: Final = "koo.service"
_PROVIDER: Final = "gen_ai.provider.name"
#: The names of the vendors there; another service is called as it is here.
_PROVIDERS: Final = MappingProxyType(
    {"claude": "anthropic", "gemini": "gcp.gemini", "openai-responses": "openai"}
)
_UNITS: Final = MappingProxyType({"": "1", "seconds": "s", "usd": "{USD}", "tokens": "{token}"})
_PLAIN: Final[Mapping[str, str]] = MappingProxyType({})
_POOL: Final = MappingProxyType(
    {"component": "db.client.connection.pool.name", "state": "db.client.connection.state"}
)
_MODEL: Final = MappingProxyType(
    {"model": "gen_ai.request.model", "type": "gen_ai.token.type", "service": _SERVICE}
)
_CHAT: Final = MappingProxyType({"gen_ai.operation.name": "chat"})


def _pool(name: str, unit: str, *, adds_up: bool = False) -> Instrument:
    return Instrument(f"db.client.connection.{name}", unit, _POOL, adds_up=adds_up)


_SEMCONV_0_66: Final = MappingProxyType(
    {
        "koo_db_pool_connections": _pool("count", "{connection}", adds_up=True),
        "koo_db_pool_max": _pool("max", "{connection}", adds_up=True),
        "koo_db_pool_size": _pool("idle.max", "{connection}", adds_up=True),
        "koo_db_pool_pending_requests": _pool("pending_requests", "{request}", adds_up=True),
        "koo_db_pool_timeouts_total": _pool("timeouts", "{timeout}"),
        "koo_db_pool_create_seconds": _pool("create_time", "s"),
        "koo_db_pool_wait_seconds": _pool("wait_time", "s"),
        "koo_db_pool_use_seconds": _pool("use_time", "s"),
        "koo_ai_response_seconds": Instrument(
            "gen_ai.client.operation.duration", "s", _MODEL, _CHAT
        ),
        "koo_ai_first_token_seconds": Instrument(
            "gen_ai.client.operation.time_to_first_chunk", "s", _MODEL, _CHAT
        ),
        "koo_ai_answer_tokens": Instrument("gen_ai.client.token.usage", "{token}", _MODEL, _CHAT),
    }
)
_TABLES: Final[Mapping[Conventions, Mapping[str, Instrument]]] = MappingProxyType(
    {Conventions.SEMCONV_0_66: _SEMCONV_0_66, Conventions.KOO: MappingProxyType({})}
)


def instrument_of(family: Family, conventions: Conventions) -> Instrument:
    """What *family* is there."""
    known = _TABLES[conventions].get(family.name)
    return known or Instrument(_own_name(family), _UNITS.get(family.unit, family.unit), _PLAIN)


def _own_name(family: Family) -> str:
    name = family.name.removeprefix("koo_")
    if family.kind is Kind.COUNTER:
        name = name.removesuffix("_total")
    if family.unit:
        name = name.removesuffix(f"_{family.unit}")
    room, _, rest = name.partition("_")
    return f"koo.{room}.{rest}" if room in {"ai", "db"} else f"koo.{name}"
