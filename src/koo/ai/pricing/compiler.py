"""From a model of genai-prices to a :class:`Price` in integers. Imported on first use only."""

from __future__ import annotations

from calendar import timegm
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from types import MappingProxyType
from typing import Final, TypeAlias

from genai_prices.data_snapshot import get_snapshot
from genai_prices.data_units import unit_data
from genai_prices.types import (
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    PriceVariant,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)
from genai_prices.units import UnitDef, UnitRegistry

from ..provider import Terms
from .rates import Interval, Intervals, Price, Rates, Tier, zepto_per_unit
from .searches import SEARCHES, searches_unasked

__all__ = ["compile_price", "price_of"]

Priced: TypeAlias = tuple[tuple[UnitDef, Decimal | TieredPrices], ...]

_DAY: Final = 86_400
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS: Final = UnitRegistry(unit_data)
# Billed, but bounded by nothing that a request can say.
_HIDDEN: Final = frozenset({"output_citation_tokens", "output_reasoning_tokens"})
# What a prompt can hold.
_PROMPTED: Final = frozenset({None, "text", "image"})
_LITELLM: Final = "litellm"
_ANTHROPIC: Final = "anthropic"
_IN_THE_US: Final = ("inference_geo", "us")


def compile_price(vendor: str, model: str, base_url: str) -> Price | None:
    """The price of *model* at *vendor*, else at whoever answers at *base_url*; None if unknown."""
    if vendor == _LITELLM and "/" in model:
        vendor, model = model.split("/", 1)  # whose models say whose they really are
    found = _search(model, vendor, None) or (_search(model, None, base_url) if base_url else None)
    price = None if found is None else price_of(found, model)
    return _in_one_region(price) if price is not None and vendor == _ANTHROPIC else price


def price_of(model: ModelInfo, name: str) -> Price | None:
    """The price that the table gives for *model*, asked for by *name*.

    None if it can't be understood.
    """
    try:
        tables = [(interval, _priced(interval.prices)) for interval in _conditions(model)]
        terms = {tuple(sorted(when.items())): _intervals_on(model, when) for when in _terms(model)}
    except KeyError:
        return None  # A unit that this version of the table can't explain: not to be guessed.
    names = {unit.usage_key for _, priced in tables for unit, _ in priced}
    unbounded = names & _HIDDEN
    if searches_unasked(f"{name} {model.id}") and (SEARCHES in names or "requests" not in names):
        unbounded |= {SEARCHES}
    intervals = tuple(_interval(condition, priced) for condition, priced in tables)
    return Price(intervals, tuple(sorted(unbounded)), MappingProxyType(terms))


def _search(model: str, vendor: str | None, base_url: str | None) -> ModelInfo | None:
    """Not by ``find_provider_model``, which remembers every name that it is ever asked for."""
    snapshot = get_snapshot()
    with suppress(LookupError):
        provider = snapshot.find_provider(None, vendor, base_url)
        return provider.find_model(model.lower(), all_providers=snapshot.providers)
    return None


def _conditions(model: ModelInfo) -> list[ConditionalPrice]:
    if isinstance(model.prices, ModelPrice):
        return [ConditionalPrice(prices=model.prices)]
    return model.prices


def _priced(prices: ModelPrice) -> Priced:
    return tuple(
        (_UNITS.unit_for_price_key(key), price)
        for key, price in vars(prices).items()
        if price is not None and not key.startswith("_")
    )


def _in_one_region(price: Price) -> Price:
    """*price* with that of inference in the US alone, which a workspace may have chosen.

    Every token costs a tenth more, and searches do not; the table leaves it out.
    Source: https://platform.claude.com/docs/en/about-claude/pricing, "Data residency pricing".
    """
    usual: dict[Terms, Intervals] = {(): price.intervals, **(price.terms or {})}
    dearer = {
        tuple(sorted((*terms, _IN_THE_US))): tuple(map(_a_tenth_more, intervals))
        for terms, intervals in usual.items()
    }
    return replace(price, terms=MappingProxyType({**(price.terms or {}), **dearer}))


def _more(zepto: int) -> int:
    return -(-zepto * 11 // 10)


def _a_tenth_more(interval: Interval) -> Interval:
    tiers = tuple(
        replace(
            tier,
            weights=MappingProxyType(
                {
                    name: _more(zepto) if name != SEARCHES else zepto
                    for name, zepto in tier.weights.items()
                }
            ),
            dearest_input=_more(tier.dearest_input),
            dearest_output=_more(tier.dearest_output),
        )
        for tier in interval.rates.tiers
    )
    return replace(interval, rates=replace(interval.rates, tiers=tiers))


def _terms(model: ModelInfo) -> Iterator[dict[str, str]]:
    """On which else it is sold; what is cheaper at some hours only is not billed on others."""
    hours = [one for one in _conditions(model) if isinstance(one.constraint, TimeOfDateConstraint)]
    for variant in model.price_variants or ():
        if not hours and not isinstance(variant.constraint, TimeOfDateConstraint):
            yield variant.when


def _intervals_on(model: ModelInfo, when: dict[str, str]) -> Intervals:
    """A new one from each day on which a price begins."""
    priced: list[ConditionalPrice | PriceVariant] = [*_conditions(model)]
    priced += [one for one in model.price_variants or () if one.when.items() <= when.items()]
    begins = [one.constraint for one in priced]
    days = {one.start_date for one in begins if isinstance(one, StartDateConstraint)}
    first = Interval(_rates(_priced(model.get_prices(_LONG_AGO, when))))
    return (first, *(_interval_from(day, model, when) for day in sorted(days)))


def _interval_from(day: date, model: ModelInfo, when: dict[str, str]) -> Interval:
    since = datetime.combine(day, time(), UTC)
    return Interval(_rates(_priced(model.get_prices(since, when))), since=since.timestamp())


def _interval(condition: ConditionalPrice, priced: Priced) -> Interval:
    rates = _rates(priced)
    match condition.constraint:
        case StartDateConstraint(start_date=start):
            return Interval(rates, since=float(timegm(start.timetuple())))
        case TimeOfDateConstraint(start_time=opens, end_time=closes):
            return Interval(rates, hours=(_second_of_day(opens), _second_of_day(closes)))
        case _:
            return Interval(rates)


def _second_of_day(moment: time) -> float:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return datetime.combine(date(1970, 1, 2), aware).timestamp() % _DAY


def _rates(priced: Priced) -> Rates:
    starts = sorted(
        {
            tier.start
            for _, price in priced
            if isinstance(price, TieredPrices)
            for tier in price.tiers
        }
    )
    return Rates(tuple(starts), tuple(_tier(priced, start) for start in (-1, *starts)))


def _tier(priced: Priced, start: int) -> Tier:
    """The rates for more than *start* input tokens."""
    zepto = {
        unit.usage_key: zepto_per_unit(_price_above(price, start), unit.per)
        for unit, price in priced
    }
    per_request = zepto.pop("requests", 0)
    units = [unit for unit, _ in priced if unit.usage_key in zepto]
    return Tier(
        MappingProxyType(_weights(units, zepto)),
        per_request,
        max((zepto[unit.usage_key] for unit in units if _is_prompted(unit)), default=0),
        max((zepto[unit.usage_key] for unit in units if _is_output(unit)), default=0),
    )


def _weights(units: list[UnitDef], zepto: Mapping[str, int]) -> dict[str, int]:
    """From the widest count to the narrowest: its price less what those around it weigh."""
    weights: dict[str, int] = {}
    for unit in sorted(units, key=lambda unit: len(unit.dimensions)):
        around = sum(weights[name] for name in _around(unit) if name in weights)
        weights[unit.usage_key] = zepto[unit.usage_key] - around
    return weights


def _around(unit: UnitDef) -> Iterator[str]:
    yield from _UNITS.ancestor_usage_keys(unit.usage_key)


def _price_above(price: Decimal | TieredPrices, start: int) -> Decimal:
    if isinstance(price, Decimal):
        return price
    reached = [tier.price for tier in price.tiers if tier.start <= start]
    return reached[-1] if reached else price.base


def _is_prompted(unit: UnitDef) -> bool:
    of = unit.dimensions
    return _is_token(unit) and of.get("direction") == "input" and of.get("modality") in _PROMPTED


def _is_output(unit: UnitDef) -> bool:
    return _is_token(unit) and unit.dimensions.get("direction") == "output"


def _is_token(unit: UnitDef) -> bool:
    return unit.dimensions.get("family") == "tokens"
