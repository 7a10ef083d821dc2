"""What AI services have cost, day by day, for as long as anybody asks."""

from __future__ import annotations

from .book import SpendBook
from .meter import Spend

__all__ = ["Spend", "SpendBook"]
