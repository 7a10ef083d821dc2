"""Where the platform remembers limits and money: the store that STATE_URL names."""

from __future__ import annotations

from typing import Final

from koo.resilience import Store
from koo.stores import connect_store

from .config import get_settings

__all__ = ["store"]

store: Final[Store] = connect_store(get_settings().state_location)
