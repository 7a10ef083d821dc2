"""Bills equal those of the price table to the nano-dollar, and bounds are never passed."""

import random as chance
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from itertools import product

import pytest
from genai_prices import Usage as TheirUsage
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ConditionalPrice, ModelInfo, ModelPrice
from hypothesis import given
from hypothesis import strategies as st

from koo.ai import VENDORS, PriceTable, TokenPrice, Usage
from koo.ai.pricing import Interval, Price, Rates, Tier, flat_price
from koo.ai.pricing.compiler import compile_price, price_of

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()


def _usages(rng):
    """Whole and cached, small and above every tier."""
    for size in (0, 1, 999, 200_000, 200_001, 1_000_003):
        cached = rng.randint(0, size)
        written = rng.randint(0, size - cached)
        one_hour = rng.randint(0, written)
        given_ = rng.randint(0, 4096)
        yield {
            "input_tokens": size,
            "output_tokens": given_,
            "cache_read_tokens": cached,
            "cache_write_tokens": written,
            "cache_write_1h_tokens": one_hour,
            "cache_write_5m_tokens": written - one_hour,
            "output_reasoning_tokens": rng.randint(0, given_),
            "web_searches": rng.randint(0, 3),
        }
        yield {"input_tokens": size, "output_tokens": 7, "input_image_tokens": rng.randint(0, size)}


def _terms(model):
    """The usual ones, and all others on which it is sold."""
    return {(), *(tuple(sorted(one.when.items())) for one in model.price_variants or ())}


def _ours(usage, terms=()):
    parts = tuple((k, v) for k, v in usage.items() if k not in {"input_tokens", "output_tokens"})
    return Usage(usage["input_tokens"], usage["output_tokens"], parts, terms=terms)


def _is_unknown(price, theirs, usage):
    """Whether it counts searches that have no price, or not those that it should."""
    if "web_searches" not in usage:
        return "web_searches" in price.unbounded
    has_price = theirs.web_searches_kcount is not None or theirs.requests_kcount
    return usage["web_searches"] > 0 and not has_price


def _nano(usd):
    return int((usd * 10**9).to_integral_value(ROUND_CEILING))


@pytest.mark.parametrize("year", [2025, 2026, 2027])
def test_every_bill_equals_that_of_the_price_table(year):
    """To the nano-dollar, however fine the rates are."""
    rng = chance.Random(year)
    compared = 0
    for provider in get_snapshot().providers:
        for model in provider.models:
            at = datetime(year, rng.randint(1, 12), 15, rng.randint(0, 23), 30, tzinfo=UTC)
            price = price_of(model, model.id)
            for usage, when in product(_usages(rng), _terms(model)):
                theirs = model.calc_price(
                    TheirUsage(**usage),
                    provider,
                    genai_request_timestamp=at,
                    price_context=dict(when),
                )
                ours = price.bill(_ours(usage, when), at.timestamp())
                if ours is None:
                    theirs = model.get_prices(at, dict(when))
                    assert _is_unknown(price, theirs, usage), (model.id, usage)
                    continue
                wanted = _nano(theirs.total_price.quantize(Decimal("1e-13")))
                assert ours.nanousd == wanted, (model.id, usage)
                compared += 1
    assert compared > 10_000


@given(st.data())
def test_no_bill_passes_its_bound(data):
    provider = data.draw(st.sampled_from(get_snapshot().providers))
    model = data.draw(st.sampled_from(provider.models))
    price = price_of(model, model.id)
    size = data.draw(st.integers(0, 2_000_000))
    most = data.draw(st.integers(0, 200_000))
    taken = data.draw(st.integers(0, size))
    read = data.draw(st.integers(0, taken))
    written = data.draw(st.integers(0, taken - read))
    one_hour = data.draw(st.integers(0, written))
    pictured = data.draw(st.integers(0, taken - read - written))
    given_ = data.draw(st.integers(0, most))
    since = NOW + data.draw(st.integers(-(10**7), 10**7))
    at = since + data.draw(st.floats(0, 60))
    parts = [("cache_read_tokens", read), ("cache_write_tokens", written)]
    parts += [("cache_write_1h_tokens", one_hour), ("cache_write_5m_tokens", written - one_hour)]
    parts += [("input_image_tokens", pictured)]
    terms = data.draw(st.sampled_from(sorted(_terms(model))))
    # Searches can be bounded by nothing.
    searchless = Price(price.intervals, (), price.terms)
    bill = searchless.bill(Usage(taken, given_, tuple(parts), terms=terms), at).nanousd
    assert bill is not None
    assert bill <= price.bound(size, most, since, since + 60)


def test_each_vendor_has_a_default_model_that_the_price_table_knows():
    table = PriceTable()
    for vendor in VENDORS.values():
        if vendor.model:
            price = table.find(vendor.prices, vendor.model, vendor.base_url)
            assert price is not None, vendor
            assert not price.unbounded, vendor
            assert price.bound(100, 1024, NOW, NOW + 60) > 0


def test_an_unknown_model_or_vendor_has_no_price():
    assert compile_price("anthropic", "no-such-model", "") is None
    assert compile_price("nobody", "gpt-4o", "") is None
    assert compile_price("nobody", "gpt-4o", "http://127.0.0.1:1") is None


def test_a_vendor_is_also_known_by_its_address():
    assert compile_price("my-groq", "llama-3.1-8b-instant", "https://api.groq.com/openai/v1")


def test_what_a_vendor_bills_beyond_every_limit_is_named():
    price = compile_price("perplexity", "sonar-deep-research", "")
    assert price is not None
    assert price.unbounded == ("output_citation_tokens", "output_reasoning_tokens", "web_searches")


def test_a_fee_per_request_is_in_the_bill_and_in_the_bound():
    price = compile_price("perplexity", "sonar", "")
    assert price is not None
    assert price.bill(Usage(0, 0), NOW).nanousd == 12_000_000
    assert price.bound(0, 0, NOW, NOW) == 12_000_000


def test_pictures_that_cost_more_than_text_are_in_the_bill_and_in_the_bound():
    price = compile_price("openai", "gpt-image-1", "")
    bill = price.bill(Usage(100, 0, (("input_image_tokens", 80),)), NOW).nanousd
    assert bill == 20 * 5_000 + 80 * 10_000
    assert price.bound(100, 0, NOW, NOW) == 100 * 10_000


def test_a_price_that_rises_before_the_deadline_is_reserved_for():
    price = compile_price("google", "gemini-3.8-flash", "")
    new_year = datetime(2027, 1, 1, tzinfo=UTC).timestamp()
    before = price.bound(10**6, 0, new_year - 120, new_year - 60)
    across = price.bound(10**6, 0, new_year - 30, new_year + 30)
    assert across == 2 * before
    assert price.bill(Usage(10**6, 0), new_year - 1).nanousd == before
    assert price.bill(Usage(10**6, 0), new_year).nanousd == across


def test_a_bill_is_rounded_up_once():
    price = flat_price(TokenPrice(Decimal("0.0001"), Decimal("0.0003")))
    assert price.bill(Usage(1, 1), NOW).nanousd == 1
    assert price.bill(Usage(10, 0), NOW).nanousd == 1
    assert price.bill(Usage(11, 0), NOW).nanousd == 2
    finer = flat_price(TokenPrice(Decimal("1e-9"), Decimal("3e-9")))
    assert finer.bill(Usage(10**6, 0), NOW).nanousd == 1
    assert finer.bill(Usage(10**6, 10**6), NOW).nanousd == 4
    assert finer.bill(Usage(10**6 + 1000, 10**6), NOW).nanousd == 5


def test_a_charge_that_the_vendor_names_stays():
    assert (
        flat_price(TokenPrice(Decimal(1), Decimal(1))).bill(Usage(1, 1, nanousd=5), NOW).nanousd
        == 5
    )


@pytest.mark.parametrize("text", ["", "1", "1,2,3", "a,b", "1;2", "nan,1", "-1,2", "1,inf"])
def test_a_price_of_ones_own_that_is_none_is_refused_with_a_sentence(text):
    with pytest.raises(ValueError, match=r"^TokenPrice: .*0\.5,1\.5"):
        TokenPrice.parse(text)


def test_a_price_of_ones_own_is_per_million():
    assert TokenPrice.parse(" 0.5, 1.5 ") == TokenPrice(Decimal("0.5"), Decimal("1.5"))
    price = flat_price(TokenPrice.parse("0.5,1.5"))
    assert price.bill(Usage(10**6, 10**6), NOW).nanousd == 2 * 10**9
    assert flat_price(TokenPrice.parse("0,0")).bound(10**6, 10**6, NOW, NOW) == 0


def test_a_time_of_day_counts_across_midnight():
    dear, cheap = (Rates((), (Tier({"input_tokens": p}, 0, p, 0),)) for p in (2 * 10**12, 10**12))
    price = Price((Interval(dear), Interval(cheap, hours=(22 * 3600.0, 2 * 3600.0))))
    day = NOW // 86_400 * 86_400
    costs = [price.bill(Usage(1, 0), day + hour * 3600).nanousd for hour in (1, 3, 21, 23)]
    assert costs == [1, 2, 2, 1]
    assert price.bound(1, 0, day + 3 * 3600, day + 3 * 3600 + 60) == 2


def test_before_any_interval_the_first_counts():
    rates = Rates((), (Tier({"input_tokens": 10**12}, 0, 10**12, 0),))
    assert Price((Interval(rates, since=NOW),)).bill(Usage(1, 0), NOW - 1).nanousd == 1


def test_a_unit_that_the_table_cannot_explain_makes_a_price_unknown():
    odd = ModelPrice(input_mtok=Decimal(1), thoughts_per_minute=Decimal(1))
    model = ModelInfo(id="odd", match=None, prices=[ConditionalPrice(prices=odd)])
    assert price_of(model, "odd") is None


async def test_the_table_compiles_a_price_once_and_forgets_when_names_never_end():
    table = PriceTable()
    first = await table.get("openai", "gpt-4o", "")
    assert first is not None
    assert await table.get("openai", "gpt-4o", "") is first
    for n in range(1000):
        table.find("openai", f"made-up-{n}", "")
    assert table.find("openai", "made-up-999", "") is None
    assert await table.get("openai", "gpt-4o", "") is not first


def test_a_model_of_litellm_costs_what_its_own_vendor_asks():
    at_vendor = compile_price("anthropic", "claude-sonnet-4-5", "")
    assert compile_price("litellm", "anthropic/claude-sonnet-4-5", "") == at_vendor is not None
    assert compile_price("litellm", "nobody/nothing", "http://127.0.0.1:1/v1") is None


def test_the_price_library_does_not_remember_what_callers_made_up():
    snapshot = get_snapshot()
    caches = (snapshot._lookup_cache, snapshot._provider_cache, snapshot._provider_misses)
    for vendor in ("anthropic", "lab"):
        compile_price(vendor, "made-up", "http://127.0.0.1:1/v1")
        before = sum(map(len, caches))
        for number in range(20):
            compile_price(vendor, f"made-up-{number}", "http://127.0.0.1:1/v1")
        assert sum(map(len, caches)) == before
