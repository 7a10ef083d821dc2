"""The bound of a price is kept ready, and equals what its definition says at any moment."""

from bisect import bisect_left
from itertools import chain, product

import pytest
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given
from hypothesis import strategies as st

from koo.ai.pricing import Interval, Price, Rates, Tier
from koo.ai.pricing.compiler import compile_price, price_of

DAY = 86_400
SIZES = 0, 1, 100_000, 200_001, 2_000_000
_zepto = st.integers(0, 5).map(lambda units: units * 10**12)
_tiers = st.builds(Tier, st.just({}), _zepto, _zepto, _zepto)
_moments = st.sampled_from([0.0, 1.0, 5.0, 30.0, 3600.0, 7 * 3600.0, DAY - 1.0, 2.5 * DAY])
_seconds = st.sampled_from([0.0, 1.0, 3600.0, 7 * 3600.0, DAY - 1.0])
_tokens = st.integers(0, 6)


@st.composite
def _rates(draw):
    starts = sorted(draw(st.sets(st.integers(0, 5), max_size=2)))
    return Rates(tuple(starts), tuple(draw(_tiers) for _ in range(len(starts) + 1)))


_first = st.builds(Interval, _rates())
_hourly = st.builds(Interval, _rates(), hours=st.tuples(_seconds, _seconds))


@st.composite
def _dated(draw):
    begins = sorted(draw(st.sets(_moments, max_size=3)))
    return (draw(_first), *(Interval(draw(_rates()), since=since) for since in begins))


@st.composite
def _priced(draw, intervals):
    others = draw(st.lists(intervals, max_size=3))
    terms = {(("tier", str(place)),): those for place, those in enumerate(others)}
    return Price(draw(intervals), (), draw(st.sampled_from([terms, terms or None])))


@st.composite
def _mixed(draw):
    """Of dates and of hours, in any order."""
    return tuple(draw(st.permutations([*draw(_dated()), *draw(st.lists(_hourly, max_size=2))])))


def _at(intervals, moment):
    """The last that holds, else the first."""
    held = [interval.rates for interval in intervals if interval.holds(moment)]
    return held[-1] if held else intervals[0].rates


def _between(intervals, since, until):
    begun = [one.rates for one in intervals if one.hours or since < one.since <= until]
    return [_at(intervals, since), _at(intervals, until), *begun]


def _most(rates, taken, given_):
    """By any tier that a request of up to *taken* input tokens can be in."""
    tiers = rates.tiers[: bisect_left(rates.starts, taken) + 1]
    return max(
        tier.per_request + taken * tier.dearest_input + given_ * tier.dearest_output
        for tier in tiers
    )


def _defined(price, taken, given_, since, until):
    """The definition of a bound."""
    sold = (price.intervals, *(price.terms or {}).values())
    rates = chain.from_iterable(_between(intervals, since, until) for intervals in sold)
    most = max(_most(one, taken, given_) for one in rates)
    return max(0, -((5 * 10**7 - most) // 10**12))


@given(_priced(_dated()), _tokens, _tokens, _moments, _moments)
def test_a_bound_is_that_of_the_dearest_rates_that_hold(price, taken, given_, since, until):
    wanted = _defined(price, taken, given_, *sorted((since, until)))
    assert price.bound(taken, given_, *sorted((since, until))) == wanted


@given(_priced(_mixed()), _tokens, _tokens, _moments, st.floats(0, 3 * DAY), st.data())
def test_no_rate_of_any_hour_passes_a_bound(price, taken, given_, since, lasts, data):
    at = since + data.draw(st.floats(0, lasts))
    bound = price.bound(taken, given_, since, since + lasts)
    assert _defined(price, taken, given_, at, at) <= bound


@pytest.mark.parametrize("since", [0, 1.7e9, 1.75e9, 1.8e9], ids=["before", "2023", "2025", "2027"])
def test_the_bounds_of_all_models_are_as_defined(since):
    for provider in get_snapshot().providers:
        for model in provider.models:
            price = price_of(model, model.id)
            changes = [one for one in price._changes if one > since][:2]
            for begins, taken in product([since, *(one - 30 for one in changes)], SIZES):
                wanted = _defined(price, taken, 1000, begins, begins + 60)
                assert price.bound(taken, 1000, begins, begins + 60) == wanted, model.id


def test_of_a_price_by_the_hour_the_dearest_hour_is_reserved_for():
    dear, cheap = (Rates((), (Tier({}, 0, price, 0),)) for price in (2 * 10**12, 10**12))
    price = Price((Interval(dear), Interval(cheap, hours=(0.0, DAY / 2))))
    assert price.bound(1, 0, 60.0, 90.0) == 2
    assert price.bound(1, 0, 60.0, DAY - 60.0) == 2, "nor is what lies between two cheap hours"


def test_who_has_no_time_at_all_is_bounded_across_a_change_too():
    cheap, dear = (Rates((), (Tier({}, 0, price, 0),)) for price in (10**12, 2 * 10**12))
    price = Price((Interval(cheap), Interval(dear, since=10.0)))
    assert [price.bound(1, 0, *when) for when in ((8.0, 9.0), (9.0, 10.0), (10.0, 9.0))] == [
        1,
        2,
        2,
    ]


@pytest.mark.parametrize(
    ("vendor", "model"),
    [("openai", "gpt-5-mini"), ("anthropic", "claude-haiku-4-5"), ("deepseek", "deepseek-chat")],
)
def test_one_line_is_enough_for_a_usual_model(vendor, model):
    price = compile_price(vendor, model, "")
    assert {len(lines) for ceiling in price._ceilings for lines in ceiling.dearest} == {1}
