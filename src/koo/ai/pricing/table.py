"""Where prices are looked up: the table of genai-prices, each price compiled once."""

from __future__ import annotations

import asyncio
from typing import Final

from .rates import Price

__all__ = ["PriceTable"]

#: Callers may make up model names without end; the table forgets them.
_MOST: Final = 1000


class PriceTable:
    """The prices of genai-prices, each compiled on first use; loaded on first use, in a thread."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], Price | None] = {}

    def known(self, vendor: str, model: str, base_url: str) -> Price | None:
        """The same as :meth:`find`, if it was found before."""
        return self._found.get((vendor, model, base_url))

    async def get(
        self, vendor: str, model: str, base_url: str, *, timeout: float | None = None
    ) -> Price | None:
        """The same as :meth:`find`; the first time for a model beside the event loop.

        Raises TimeoutError if it takes longer than *timeout* seconds; the reading goes on.
        """
        key = (vendor, model, base_url)
        if key in self._found:
            return self._found[key]
        async with asyncio.timeout(timeout):
            return await asyncio.to_thread(self.find, vendor, model, base_url)

    def find(self, vendor: str, model: str, base_url: str) -> Price | None:
        """The price of *model* at *vendor*, or at whoever answers at *base_url*; None if unknown.

        The first call of a process takes 0.3 s: it reads the table.
        """
        key = (vendor, model, base_url)
        if key not in self._found:
            if len(self._found) >= _MOST:
                self._found.clear()
            from .compiler import compile_price  # noqa: PLC0415 - reads the whole table

            self._found[key] = compile_price(vendor, model, base_url)
        return self._found[key]
