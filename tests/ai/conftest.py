"""What the tests of the AI room share: one price table, and services made to measure."""

from decimal import Decimal

import pytest

from koo.ai import AIService, PriceTable, ServiceConfig, TokenPrice
from koo.testing import running_clock

PRICES = PriceTable()
#: 1,000 nano-dollars per input token, 2,000 per output token.
OWN_PRICE = TokenPrice(Decimal(1000), Decimal(2000))


@pytest.fixture
def serve():
    """A function that makes a service of a provider, on the clock of the running loop."""

    def serve(provider, *, name="claude", on_event=lambda _: None, store=None, **settings):
        config = ServiceConfig(name=name, **{"api_key": "test-key", **settings})
        return AIService(
            config,
            provider,
            prices=PRICES,
            store=store,
            clock=running_clock(),
            random=lambda: 0.5,
            on_event=on_event,
        )

    return serve


@pytest.fixture
def own_price():
    """The settings of a service whose price is round numbers."""
    return {"name": "lab", "model": "m", "base_url": "http://127.0.0.1:1/v1", "price": OWN_PRICE}
