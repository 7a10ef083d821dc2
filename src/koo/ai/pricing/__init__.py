"""What requests cost, in integers; no bill is ever rounded down."""

from .flat import TokenPrice, flat_price
from .rates import Interval, Price, Rates, Tier
from .searches import SEARCHES, searches_unasked
from .table import PriceTable

__all__ = [
    "SEARCHES",
    "Interval",
    "Price",
    "PriceTable",
    "Rates",
    "Tier",
    "TokenPrice",
    "flat_price",
    "searches_unasked",
]
