"""The one table of names: what a reading of a report is called outside, in which unit.

A reading that is not in the table goes out as ``koo_<kind>_<its name>``, a counter if it
ends in ``_total``; so nothing that somebody counts can be forgotten here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from .family import Kind

__all__ = ["HIDDEN", "Name", "lettered", "name_of", "spread_of"]

_NANO: Final = 1e-9
_FOREIGN: Final = re.compile(r"[^a-zA-Z0-9_]|^(?=[0-9])")
#: A token is recorded as the smallest duration that a histogram keeps apart.
_TOKEN: Final = 2.0**20

#: Rates and means: who has counters and histograms can work them out, over any time.
HIDDEN: Final = frozenset(
    {
        ("database", "checkouts_per_second"),
        ("database", "checkins_per_second"),
        ("database", "pool.total"),
        ("ai", "cost.mean"),
        ("ai", "retries_total"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """What one reading or distribution is called outside, and what it must be multiplied by.

    *limit* is the name of its limit, if that is worth a family of its own; *labels* are added
    to those of the reading.
    """

    name: str
    help: str
    unit: str = ""
    scale: float = 1.0
    labels: tuple[tuple[str, str], ...] = ()
    limit: str = ""
    bounds: tuple[float, ...] = ()

    @property
    def kind(self) -> Kind:
        """What its ending says."""
        return Kind.COUNTER if self.name.endswith("_total") else Kind.GAUGE

    def scaled(self, value: float) -> float:
        """*value* in the unit outside; what needs no scaling stays the integer that it is."""
        return value if self.scale == 1 else value * self.scale


def _called(name: str, text: str, /, unit: str = "", **more: object) -> Name:
    scale = _NANO if unit == "usd" else 1.0
    return Name(name=name, help=text, unit=unit, **{"scale": scale, **more})  # type: ignore[arg-type]


def _powers(first: int, last: int, step: int = 1) -> tuple[float, ...]:
    """Powers of two, which are bounds of every histogram's own buckets."""
    return tuple(2.0**power for power in range(first, last + 1, step))


#: Near to what OpenTelemetry advises for databases (1 ms to 10 s) and for models (10 ms to 82 s).
_QUICK: Final = _powers(-13, 5)
_SLOW: Final = _powers(-6, 9)
#: Exactly what it advises for tokens.
_TOKENS: Final = _powers(0, 26, 2)

_STATE: Final = "koo_db_pool_connections"
_CONNECTIONS: Final = "Connections of the pool, by what they do."

_READINGS: Final[Mapping[tuple[str, str], Name]] = MappingProxyType(
    {
        ("database", name): called
        for name, called in {
            "pool.size": _called("koo_db_pool_size", "Connections kept open."),
            "pool.max_overflow": _called("koo_db_pool_max_overflow", "Connections beyond them."),
            "pool.active": _called(
                _STATE, _CONNECTIONS, labels=(("state", "used"),), limit="koo_db_pool_max"
            ),
            "pool.idle": _called(_STATE, _CONNECTIONS, labels=(("state", "idle"),)),
            "pool.overflow": _called(
                "koo_db_pool_overflow_connections", "Connections open beyond the pool's size."
            ),
            "pool.waiting": _called(
                "koo_db_pool_pending_requests", "Tasks that wait for a connection."
            ),
            "pool.paused": _called(
                "koo_db_pool_paused", "1 while the pool hands out no connection, by hand."
            ),
            "pool.oldest_checkout": _called(
                "koo_db_pool_oldest_checkout_seconds", "Age of the oldest loan.", "seconds"
            ),
            "checkouts_total": _called("koo_db_pool_checkouts_total", "Connections lent."),
            "checkins_total": _called("koo_db_pool_checkins_total", "Connections given back."),
            "connections_created_total": _called("koo_db_pool_opened_total", "Connections opened."),
            "connections_closed_total": _called("koo_db_pool_closed_total", "Connections closed."),
            "connections_invalidated_total": _called(
                "koo_db_pool_invalidated_total", "Connections thrown away as broken."
            ),
            "connections_recycled_total": _called(
                "koo_db_pool_recycled_total", "Connections replaced because of their age."
            ),
            "timeouts_total": _called(
                "koo_db_pool_timeouts_total", "Tasks that waited for a connection in vain."
            ),
            "refused_total": _called(
                "koo_db_pool_refused_total", "Tasks turned away because the line was full."
            ),
            "leaked_total": _called("koo_db_pool_leaked_total", "Loans longer than allowed."),
            "nested_total": _called(
                "koo_db_pool_nested_total", "Waits for a connection by who already held one."
            ),
            "failure_rate": _called(
                "koo_db_failure_ratio", "Share of transactions that failed, last five minutes."
            ),
            "errors_total": _called("koo_db_errors_total", "Errors of the database, by kind."),
        }.items()
    }
    | {
        ("ai", name): called
        for name, called in {
            "requests_total": _called("koo_ai_requests_total", "Calls that came."),
            "successes_total": _called(
                "koo_ai_calls_total",
                "Calls that ended, by how.",
                labels=(("outcome", "success"),),
            ),
            "failures_total": _called(
                "koo_ai_calls_total",
                "Calls that ended, by how.",
                labels=(("outcome", "failure"),),
            ),
            "success_rate": _called(
                "koo_ai_success_ratio", "Share of calls answered, last five minutes."
            ),
            "errors_total": _called("koo_ai_errors_total", "Calls that failed, by kind."),
            "last_success_at": _called(
                "koo_ai_last_success_timestamp_seconds", "When it last answered.", "seconds"
            ),
            "limit.used": _called(
                "koo_ai_rate_limit_used",
                "Requests in the rolling window.",
                limit="koo_ai_rate_limit",
            ),
            "limit.remaining": _called(
                "koo_ai_rate_limit_remaining", "Requests that would pass now."
            ),
            "limit.reset_after": _called(
                "koo_ai_rate_limit_reset_seconds", "Until something is given back.", "seconds"
            ),
            "throttled_until": _called(
                "koo_ai_throttled_until_timestamp_seconds", "The service's own pause.", "seconds"
            ),
            "budget.spent": _called(
                "koo_ai_budget_spent_usd", "Spent today.", "usd", limit="koo_ai_budget_usd"
            ),
            "budget.reserved": _called(
                "koo_ai_budget_reserved_usd", "Reserved by calls in flight.", "usd"
            ),
            "budget.remaining": _called("koo_ai_budget_remaining_usd", "Left of today.", "usd"),
            "budget.settled_late": _called(
                "koo_ai_budget_settled_late_usd", "Debited to days that were over.", "usd"
            ),
            "budget.resets_at": _called(
                "koo_ai_budget_resets_timestamp_seconds", "The next midnight.", "seconds"
            ),
            "cost.last": _called("koo_ai_cost_last_usd", "What the last answer cost.", "usd"),
            "cache.hits_total": _called(
                "koo_ai_cache_hits_total", "Calls answered from the cache, at no cost."
            ),
            "cache.misses_total": _called(
                "koo_ai_cache_misses_total", "Calls that the cache had no answer for."
            ),
            "cache.answers": _called(
                "koo_ai_cache_answers", "Answers kept.", limit="koo_ai_cache_answers_max"
            ),
            "cache.bytes": _called(
                "koo_ai_cache_bytes", "What they take.", "bytes", limit="koo_ai_cache_max_bytes"
            ),
            "keys.living": _called(
                "koo_ai_keys_living", "Keys that are not refused.", limit="koo_ai_keys"
            ),
            "answers_total": _called("koo_ai_answers_total", "Answers billed, by model."),
            "cost_total": _called(
                "koo_ai_cost_usd_total", "What answers have cost, by model.", "usd"
            ),
            "tokens_total": _called(
                "koo_ai_tokens_total", "Tokens billed, by model and type.", "tokens"
            ),
            "unbilled_total": _called(
                "koo_ai_unbilled_total", "Answers that came without a bill, by model."
            ),
        }.items()
    }
)

_SPREADS: Final[Mapping[tuple[str, str], Name]] = MappingProxyType(
    {
        ("database", "response_time"): _called(
            "koo_db_response_seconds", "How long statements took.", "seconds", bounds=_QUICK
        ),
        ("database", "create_time"): _called(
            "koo_db_pool_create_seconds", "How long connecting took.", "seconds", bounds=_QUICK
        ),
        ("database", "wait_time"): _called(
            "koo_db_pool_wait_seconds", "Waits for a connection.", "seconds", bounds=_QUICK
        ),
        ("database", "use_time"): _called(
            "koo_db_pool_use_seconds", "How long connections were held.", "seconds", bounds=_QUICK
        ),
        ("ai", "response_time"): _called(
            "koo_ai_response_seconds", "How long attempts took.", "seconds", bounds=_SLOW
        ),
        ("ai", "first_token_time"): _called(
            "koo_ai_first_token_seconds",
            "How long streamed answers took to begin.",
            "seconds",
            bounds=_SLOW,
        ),
        ("ai", "token_usage"): _called(
            "koo_ai_answer_tokens",
            "Tokens of an answer, by model and type.",
            "tokens",
            scale=_TOKEN,
            bounds=_TOKENS,
        ),
    }
)


def lettered(name: str) -> str:
    """*name* as Prometheus takes it: one that it does not take costs the whole scrape."""
    return _FOREIGN.sub("_", name)


def name_of(kind: str, reading: str) -> Name:
    """What a *reading* of a component of *kind* is called."""
    known = _READINGS.get((kind, reading))
    return known or Name(name=_derived(kind, reading), help=f"{reading} of {kind}.")


def spread_of(kind: str, distribution: str) -> Name:
    """What a *distribution* of a component of *kind* is called; unknown ones are durations."""
    known = _SPREADS.get((kind, distribution))
    if known is not None:
        return known
    name = f"{_derived(kind, distribution)}_seconds"
    return Name(name=name, help=f"{distribution} of {kind}.", unit="seconds", bounds=_QUICK)


def _derived(kind: str, name: str) -> str:
    return lettered(f"koo_{kind}_{name}")
