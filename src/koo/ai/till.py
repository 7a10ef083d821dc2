"""What the calls of one service may cost, and what they did cost.

model --price--> Price --ask--> PacedAsk: the most that it can take, reserved
usage --priced--> Usage with its cost: what it took, debited
      --bill----> the same, told to the tally too
"""

from __future__ import annotations

from ..errors import ExternalServiceError, InvalidRequestError, ServiceTimeoutError
from ..resilience import Clock
from .asking import Purse
from .config import ServiceConfig
from .health import Tally
from .pacing import PacedAsk
from .pricing import SEARCHES, Price, PriceTable, TokenPrice, flat_price, searches_unasked
from .provider import NOTHING, Usage

__all__ = ["Till"]


class Till:
    """The prices of one service, applied to calls before they are sent and after."""

    def __init__(
        self, config: ServiceConfig, prices: PriceTable, tally: Tally, *, clock: Clock
    ) -> None:
        self._config = config
        self._own = None if config.price is None else _own(config.price)
        self._usual = self._own and self._own[searches_unasked(config.model)]
        self._prices = prices
        self._tally = tally
        self._clock = clock

    def known(self, model: str) -> Price | None:
        """That of *model*, if it is at hand."""
        config = self._config
        if self._usual is not None and model == config.model:
            return self._usual
        return self._prices.known(config.price_list, model, config.base_url)

    async def price(self, model: str, limit: float) -> Price:
        """That of *model*; InvalidRequestError if nobody knows it.

        What the settings say is the price of the service's own model, and of those that the
        table lacks.
        The first of a process may take a while; after *limit* seconds, ServiceTimeoutError.
        """
        if (known := self.known(model)) is not None:
            return known
        config = self._config
        try:
            price = await self._prices.get(config.price_list, model, config.base_url, timeout=limit)
        except TimeoutError:
            late = "the table of prices could not be read in time; allow more, or ask again"
            raise ServiceTimeoutError(config.name, late, usage=NOTHING) from None
        if price is None and self._own is not None:
            price = self._own[searches_unasked(model)]
        if price is None:
            raise self._invalid(
                f"nobody knows the price of {model!r}; set {config.variable('PRICE')} to USD per"
                " million tokens as input,output, or choose another model"
            )
        return price

    def ask(
        self,
        price: Price,
        model: str,
        *,
        taken: int,
        given: int,
        timeout: float | None,
        purse: Purse | None = None,
        unbounded: tuple[str, ...] = (),
    ) -> PacedAsk:
        """The most that a call can take: *taken* tokens in, *given* out, within *timeout*.

        None: the service's own timeout. Where something of it is *unbounded*, all that is in
        *purse*; InvalidRequestError without one.
        """
        limit = self._config.timeout if timeout is None else timeout
        now = self._clock.time()
        cost = price.bound(taken, given, now, now + limit)
        if hidden := price.unbounded + unbounded:
            cost = max(cost, self._all_in(purse, model, hidden))
        return PacedAsk(1, taken + given, cost, purse=purse, model=model, output_tokens=given)

    def priced(self, price: Price, usage: Usage | None) -> Usage | None:
        """*usage* with its cost, which is not counted yet."""
        return usage and price.bill(usage, self._clock.time())

    def bill(self, price: Price, model: str, usage: Usage | None) -> Usage | None:
        """*usage* with its cost, counted as an answer of *model*; None: nobody knows it."""
        billed = self.priced(price, usage)
        self._tally.billed(model, billed)
        return billed

    def bill_failure(self, price: Price, model: str, error: ExternalServiceError) -> None:
        """Put the cost beside the usage that *error* names; only what took tokens is counted."""
        if not isinstance(error.usage, Usage):
            return
        billed = self.priced(price, error.usage)
        error.usage = billed
        if billed is None or billed.tokens:
            self._tally.billed(model, billed)

    def _all_in(self, purse: Purse | None, model: str, hidden: tuple[str, ...]) -> int:
        if purse is None:
            raise self._invalid(
                f"the cost of {model!r} has no upper bound ({', '.join(hidden)}); say the most"
                " that the call may cost as max_cost, or choose another model"
            )
        return purse.left

    def _invalid(self, detail: str) -> InvalidRequestError:
        error = InvalidRequestError(self._config.name, detail, usage=NOTHING)
        error.answerable_elsewhere = True
        return error


def _own(price: TokenPrice) -> tuple[Price, Price]:
    """That of most models, and that of those that search, which it can't bound."""
    return flat_price(price), flat_price(price, (SEARCHES,))
