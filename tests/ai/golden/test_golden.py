"""Raw answers cost, to the nano-dollar, what two tables that know nothing of each other say."""

import csv
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from pathlib import Path

import pytest
from genai_prices import extract_usage
from genai_prices.data_snapshot import get_snapshot

from koo.ai import VENDORS, ServiceConfig
from koo.ai.providers import read_for
from koo.ai.providers.wire import parse
from koo.testing import FakeClock

from ..conftest import PRICES

HERE = Path(__file__).parent
#: Read as koo reads what comes over the wire.
BODIES = parse((HERE / "bodies.json").read_bytes())
COUNTED = [one for one in BODIES if "counted" in one]
CHARGED = [one for one in BODIES if "charge" in one]
TABLE = list(csv.DictReader((HERE / "prices.csv").read_text().splitlines()))
#: When the table was read.
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
NANO = 10**9
PER = {"search": 10**3}


def name_of(one):
    return f"{one['service']}: {one['name']}"


def billed(one):
    """What koo makes of it."""
    is_known = one["service"] in {*VENDORS, "claude"}
    own = {} if is_known else {"base_url": "http://127.0.0.1:1/v1"}
    config = ServiceConfig(name=one["service"], model=one["model"], **own)
    usage = read_for(config, clock=FakeClock()).used(one["body"])
    price = PRICES.find(config.price_list, one["model"], config.base_url)
    return price.bill(usage, NOW.timestamp())


def nanousd_of(usd):
    """Rounded up, but for the noise that floats leave behind."""
    return int((usd.quantize(Decimal("1e-13")) * NANO).to_integral_value(ROUND_CEILING))


def by_hand(one):
    """The counts of a person times the prices of a person."""
    counted = one["counted"]
    taken = sum(counted[name] for name in counted if name not in {"output", "search"})
    rows = [row for row in TABLE if (row["model"], row["terms"]) == (one["model"], one["terms"])]
    row = max((row for row in rows if taken > int(row["above"])), key=lambda row: int(row["above"]))
    usd = sum(count * Decimal(row[name]) / PER.get(name, 10**6) for name, count in counted.items())
    return nanousd_of(usd)


@pytest.mark.parametrize("one", COUNTED, ids=name_of)
def test_an_answer_costs_what_a_person_reckons(one):
    assert billed(one).nanousd == by_hand(one) > 0


@pytest.mark.parametrize("one", COUNTED, ids=name_of)
def test_an_answer_costs_what_the_price_library_makes_of_it(one):
    extracted = extract_usage(one["body"], provider_id=one["provider"], api_flavor=one["flavor"])
    provider = get_snapshot().find_provider(None, one["provider"], None)
    theirs = provider.find_model(one["model"], all_providers=get_snapshot().providers).calc_price(
        extracted.usage,
        provider,
        genai_request_timestamp=NOW,
        price_context=one.get("context"),
    )
    assert billed(one).nanousd == nanousd_of(theirs.total_price)


@pytest.mark.parametrize("one", CHARGED, ids=name_of)
def test_a_charge_that_the_answer_names_is_what_it_costs(one):
    assert billed(one).nanousd == nanousd_of(Decimal(one["charge"]))


def test_every_wire_and_every_price_has_its_body():
    assert {one["service"] for one in BODIES} >= {*VENDORS} - {"anthropic", "compatible"}
    used = {(one["model"], one["terms"]) for one in COUNTED}
    assert used == {(row["model"], row["terms"]) for row in TABLE}
