"""What requests cost, in integers; no bill is ever rounded down."""

from .rates import Interval, Price, Rates, Tier, TokenPrice, flat_price
from .table import PriceTable

__all__ = ["Interval", "Price", "PriceTable", "Rates", "Tier", "TokenPrice", "flat_price"]
