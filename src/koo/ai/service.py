"""One AI service: a provider, its policy, its money and its memory.

    query --> configured? key alive? prompt and price known? --> Ask (the most it can cost)
          --> Policy: CircuitBreaker -> RateLimiter (minute, hour, day) -> DailyBudget
          --> provider, once per attempt --> usage priced --> settled
          --> the text, or an ExternalServiceError
    stream --> the same way, with the text as it comes

A key error or a spent quota is learned from the first answer that says so: the
circuit opens until the time the vendor names, or until a person resets it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Final

from ..errors import (
    DeadlineExceeded,
    ExternalServiceError,
    InvalidRequestError,
    Rejected,
    ServiceRejected,
    ServiceTimeoutError,
)
from ..resilience import (
    RANDOM,
    SYSTEM_CLOCK,
    Ask,
    CircuitBreaker,
    Clock,
    DailyBudgetConfig,
    Distribution,
    Listener,
    MemoryStore,
    Pace,
    Policy,
    Random,
    Reading,
    Report,
    RetryBudget,
    Store,
    derive_health,
    ignore,
    traced,
)
from .config import ServiceConfig
from .health import (
    Checks,
    Lessons,
    Tally,
    budget_readings,
    cause_of,
    details_of,
    limit_cause,
    limit_readings,
    limits_of,
)
from .pricing import Price, PriceTable, flat_price
from .provider import NOTHING, Completion, Heard, Prompt, Provider, Request, Usage
from .providers import connect
from .questions import Question, complaint
from .rotation import Rotation
from .streaming import AIStream, Telling, Times
from .verdicts import appraise, classify

__all__ = ["AIService"]

#: Seconds that are worth to be subtracted from a timeout.
_NOTICEABLE: Final = 0.005


class AIService:
    """A service that can be asked, watched and reset; a Component named ``ai:<name>``.

    *provider* defaults to the vendor over HTTP, *prices* to a table of its own, *store* to
    the memory of this process, in which a restart forgets what was spent.
    """

    def __init__(
        self,
        config: ServiceConfig,
        provider: Provider | None = None,
        *,
        prices: PriceTable | None = None,
        store: Store | None = None,
        clock: Clock = SYSTEM_CLOCK,
        random: Random = RANDOM,
        on_event: Listener = ignore,
    ) -> None:
        self.config = config
        self.name = f"ai:{config.name}"
        self._provider = provider or connect(config, clock=clock)
        self._prices = prices or PriceTable()
        self._clock = clock
        self._tally = Tally(clock, config.model)
        self._breaker = CircuitBreaker(
            self.name,
            config.breaker.leasing(min(config.attempt_timeout, config.timeout)),
            clock=clock,
            random=random,
            on_event=on_event,
        )
        store = store or MemoryStore(clock=clock)
        self._lessons = Lessons(config, self._breaker)
        self._limiter = store.limiter(self.name, limits_of(config), on_event=on_event)
        budget = DailyBudgetConfig(config.daily_budget_nanousd)
        self._budget = store.budget(self.name, budget)
        self._policy = Policy(
            self.name,
            gates=(self._breaker, self._limiter, self._budget),
            classify=classify,
            appraise=appraise,
            retry=config.retry,
            retry_budget=RetryBudget() if config.retry_budget else None,
            timeout=config.timeout,
            attempt_timeout=min(config.attempt_timeout, config.timeout),
            patience=_least(config.patience, config.timeout),
            clock=clock,
            random=random,
            on_event=on_event,
        )
        self._checks = Checks(
            Policy(self.name, retry_budget=None, timeout=config.check_timeout, clock=clock),
            self._provider.list_models,
            interval=config.check_interval,
            clock=clock,
            on_event=on_event,
        )

    async def query(
        self,
        prompt: str,
        *,
        system: str | None = None,
        model: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        timeout: float | None = None,
    ) -> str:
        """The answer's text. Every failure is an :class:`~koo.errors.ExternalServiceError`.

        *timeout* (seconds) bounds the whole query: waiting, attempts and backoff.
        """
        asked = Question(prompt, system, model, max_tokens, temperature).to(self.config)
        self._tally.began()
        try:
            completion = await self._ask(asked, timeout)
        except Exception as error:
            failure = self._as_service_error(error)
            self._tally.failed(failure, error)
            if failure is error:
                raise
            raise failure from error
        self._tally.succeeded()
        return completion.text

    def stream(
        self,
        prompt: str,
        *,
        system: str | None = None,
        model: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        timeout: float | None = None,
        first_token_timeout: float | None = None,
        idle_timeout: float | None = None,
    ) -> AIStream:
        """The answer's text as it comes. Every failure is an ExternalServiceError.

        *timeout* (seconds) bounds the whole, *first_token_timeout* the time until the
        first text, *idle_timeout* each gap after it.
        """
        asked = Question(prompt, system, model, max_tokens, temperature).to(self.config)
        telling = Telling(self.config.name, asked.model)
        times = Times(timeout, first_token_timeout, idle_timeout)
        return AIStream(telling, self.tell(telling, asked, times))

    async def tell(
        self, telling: Telling, prompt: Prompt, times: Times
    ) -> AsyncGenerator[str, None]:
        """The pieces of the answer to *prompt*; what is known of it goes into *telling*."""
        telling.begin(self.config.name, prompt.model)
        self._tally.began()
        try:
            async with aclosing(await self._open(telling, prompt, times)) as items:
                async for item in items:
                    if isinstance(item, str):
                        yield item
                    else:
                        telling.completion = item
        except Exception as error:
            failure = self._as_service_error(error, telling.heard)
            self._tally.failed(failure, error)
            if failure is error:
                raise
            raise failure from error
        self._tally.succeeded()

    def report(self) -> Report:
        """How it is doing. Only looks."""
        breaker, limits, budget = self._breaker.stats(), self._limiter.stats(), self._budget.stats()
        check, calls = self._checks.stats(self._tally.last_success_at), self._policy.stats()
        limited, has_key = limit_cause(limits, budget), self.config.is_configured
        state = derive_health(breaker, check, limited=limited is not None, maintenance=not has_key)
        return Report(
            component=self.name,
            kind="ai",
            state=state,
            since=breaker.since,
            cause=cause_of(state, limited, breaker, check, config=self.config),
            next_try=breaker.retry_after,
            breaker=breaker,
            check=check,
            readings=(
                *self._tally.readings(),
                Reading("retries_total", calls.retries_total),
                *limit_readings(limits, self._clock.time()),
                *budget_readings(budget),
                *self._key_readings(),
            ),
            distributions=(
                Distribution("response_time", calls.latency),
                *self._tally.bills.distributions(),
            ),
            details=details_of(self.config, self._tally.last_error),
        )

    async def check(self) -> Report:
        """Ask for the list of models, which is never billed, and report.

        At most once per interval; who comes meanwhile joins, or gets the last
        answer. A service without a key, or a vendor without a list, is not asked.
        """
        if self.config.is_configured:
            await self._checks.run()
        return self.report()

    async def check_unless_busy(self) -> Report:
        """As :meth:`check`, unless a call has succeeded within the interval: that says more.

        Who calls it is taken to go on doing so.
        """
        self._checks.keep()
        last = self._tally.last_success_at
        if last is None or self._clock.time() - last >= self.config.check_interval:
            return await self.check()
        return self.report()

    def half_open(self) -> None:
        """End the open wait: the next call probes, and may cost money."""
        self._breaker.half_open("half-opened by hand")

    def reset(self) -> None:
        """Close the circuit (ramped), forget errors and a dead key; never limits or spend."""
        self._lessons.forget()
        self._provider.reset()
        self._tally.forget_errors()
        self._breaker.reset()

    async def close(self) -> None:
        """Let go of the connections of the running event loop."""
        await self._provider.close()

    # -- one call ----------------------------------------------------------------------

    @traced("call")
    async def _ask(self, prompt: Prompt, timeout: float | None) -> Completion:
        began = self._clock.monotonic()
        request, price = await self._prepared(prompt, timeout)
        return await self._policy.run(
            partial(self._attempt, request, price),
            self._most_it_can_take(request, price, timeout),
            timeout=self._left_of(timeout, began),
        )

    async def _open(
        self, telling: Telling, prompt: Prompt, times: Times
    ) -> AsyncGenerator[str | Completion, None]:
        began = self._clock.monotonic()
        request, price = await self._prepared(replace(prompt, streams=True), *times)
        first = None if times.first is None else self._left_of(times.first, began)
        return self._policy.stream(
            partial(self._listen, request, price, telling),
            self._most_it_can_take(request, price, times.timeout),
            timeout=self._left_of(times.timeout, began),
            pace=Pace(gap=times.gap or self.config.idle_timeout, first=first),
        )

    def _left_of(self, timeout: float | None, began: float) -> float | None:
        """The rest of *timeout*: the first price of a process takes a while to find."""
        spent = self._clock.monotonic() - began
        if spent < _NOTICEABLE:
            return timeout
        return max(_NOTICEABLE, (self.config.timeout if timeout is None else timeout) - spent)

    async def _prepared(self, prompt: Prompt, *timeouts: float | None) -> tuple[Request, Price]:
        self._lessons.refuse_in_vain(prompt.model)
        if wrong := complaint(prompt, *timeouts):
            raise self._invalid(wrong)
        return self._provider.prepare(prompt), await self._price(prompt.model)

    @traced("attempt")
    async def _attempt(self, request: Request, price: Price) -> Completion:
        try:
            completion = await self._provider.complete(request)
        except ExternalServiceError as error:
            self._learn(error, request, price)
            raise
        return self._billed(completion, price)

    async def _listen(
        self, request: Request, price: Price, telling: Telling
    ) -> AsyncGenerator[str | Completion, None]:
        heard = telling.heard = Heard()
        try:
            async with aclosing(self._provider.stream(request, heard)) as items:
                async for item in items:
                    yield item if isinstance(item, str) else self._billed(item, price)
        except ExternalServiceError as error:
            self._learn(error, request, price)
            raise

    def _billed(self, completion: Completion, price: Price) -> Completion:
        usage = completion.usage and price.bill(completion.usage, self._clock.time())
        self._tally.billed(completion.model, usage)
        return replace(completion, usage=usage)

    async def _price(self, model: str) -> Price:
        config = self.config
        price = await self._prices.get(config.price_list, model, config.base_url)
        if price is None and config.price is not None:
            return flat_price(config.price)
        if price is None:
            raise self._invalid(
                f"nobody knows the price of {model!r}; set {config.variable('PRICE')} to USD per"
                " million tokens as input,output, or choose another model"
            )
        if price.unbounded:
            raise self._invalid(
                f"the cost of {model!r} has no upper bound ({', '.join(price.unbounded)});"
                " choose another model"
            )
        return price

    def _most_it_can_take(self, request: Request, price: Price, timeout: float | None) -> Ask:
        limit = self.config.timeout if timeout is None else timeout
        now, given = self._clock.time(), request.prompt.max_tokens
        taken = len(request.body)
        return Ask(1, taken + given, price.bound(taken, given, now, now + limit))

    # -- a failure -----------------------------------------------------------------------

    def _learn(self, error: ExternalServiceError, request: Request, price: Price) -> None:
        if isinstance(error.usage, Usage):
            error.usage = price.bill(error.usage, self._clock.time())
            if error.usage.tokens:
                self._tally.billed(request.prompt.model, error.usage)
        self._lessons.learn(error, request.prompt.model)

    def _as_service_error(
        self, error: Exception, heard: Heard | None = None
    ) -> ExternalServiceError:
        failure = self._translated(error, heard)
        if heard is not None:
            failure.partial, failure.at_least = heard.text, heard.at_least
        return failure

    def _translated(self, error: Exception, heard: Heard | None) -> ExternalServiceError:
        name = self.config.name
        match error:
            case ExternalServiceError():
                return error
            case Rejected():
                detail = str(error).removeprefix(f"{error.gate}: ")
                return ServiceRejected(name, detail, retry_after=error.retry_after, usage=NOTHING)
            case DeadlineExceeded() if heard and heard.pieces:
                detail = "no more of the answer came in time; allow more, or use the part that came"
                return ServiceTimeoutError(name, detail)
            case DeadlineExceeded():
                return ServiceTimeoutError(name, str(error).removeprefix(f"{self.name}: "))
            case _:
                what = type(error).__name__
                return ExternalServiceError(name, f"unexpected {what}; its cause says more")

    def _invalid(self, detail: str) -> InvalidRequestError:
        return InvalidRequestError(self.config.name, detail, usage=NOTHING)

    def _key_readings(self) -> Iterator[Reading]:
        if isinstance(keys := self._provider, Rotation):
            yield Reading("keys.living", keys.living, keys.size)


def _least(patience: float | None, timeout: float) -> float | None:
    return None if patience is None else min(patience, timeout)
