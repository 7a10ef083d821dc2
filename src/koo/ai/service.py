"""One AI service: a provider, its policy, its money and its memory.

    query --> configured? key alive? prompt and price known? --> Ask (the most it can cost)
          --> Policy: CircuitBreaker -> RateLimiter (minute, hour, day) -> DailyBudget
          --> provider, once per attempt --> usage priced --> settled
          --> the text, or an ExternalServiceError

A key error or a spent quota is learned from the first answer that says so: the
circuit opens until the time the vendor names, or until a person resets it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Final

from ..errors import (
    AccessDeniedError,
    ApiKeyError,
    DeadlineExceeded,
    ExternalServiceError,
    InvalidRequestError,
    QuotaExceededError,
    Rejected,
    ServiceRejected,
    ServiceTimeoutError,
)
from ..resilience import (
    RANDOM,
    SYSTEM_CLOCK,
    Ask,
    BreakerStats,
    CheckStats,
    CircuitBreaker,
    Clock,
    DailyBudget,
    DailyBudgetConfig,
    Distribution,
    Health,
    Limit,
    Listener,
    Policy,
    Random,
    RateLimiter,
    RateLimiterConfig,
    Reading,
    Report,
    RetryBudget,
    Spent,
    Success,
    derive_health,
    ignore,
)
from .checks import Checks
from .config import ServiceConfig
from .pricing import Price, PriceTable, flat_price
from .provider import NOTHING, Completion, Prompt, Provider, Request, Usage
from .providers import connect
from .questions import complaint
from .readings import WINDOWS, budget_readings, limit_cause, limit_readings
from .rotation import Rotation
from .tally import Tally
from .verdicts import classify

__all__ = ["AIService"]

_MOST_DENIED: Final = 100


class AIService:
    """A service that can be asked, watched and reset; a Component named ``ai:<name>``.

    *provider* defaults to the vendor over HTTP, *prices* to a table of its own.
    """

    def __init__(
        self,
        config: ServiceConfig,
        provider: Provider | None = None,
        *,
        prices: PriceTable | None = None,
        clock: Clock = SYSTEM_CLOCK,
        random: Random = RANDOM,
        on_event: Listener = ignore,
    ) -> None:
        self.config = config
        self.name = f"ai:{config.name}"
        self._provider = provider or connect(config, clock=clock)
        self._prices = prices or PriceTable()
        self._clock = clock
        self._tally = Tally(clock)
        self._dead_key: ApiKeyError | None = None
        self._denied: dict[str, AccessDeniedError] = {}
        self._breaker = CircuitBreaker(
            self.name, config.breaker, clock=clock, random=random, on_event=on_event
        )
        self._limiter = RateLimiter(self.name, _limits(config), clock=clock, on_event=on_event)
        budget = DailyBudgetConfig(config.daily_budget_nanousd)
        self._budget = DailyBudget(self.name, budget, clock=clock)
        self._policy = Policy(
            self.name,
            gates=(self._breaker, self._limiter, self._budget),
            classify=classify,
            appraise=_appraise,
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
        asked = Prompt(
            prompt,
            model or self.config.model,
            self.config.max_tokens if max_tokens is None else max_tokens,
            system,
            temperature,
        )
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
            cause=self._cause(state, limited, breaker, check),
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
            distributions=(Distribution("response_time", calls.latency),),
            details=self._details(),
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
        """As :meth:`check`, unless a call has succeeded within the interval: that says more."""
        last = self._tally.last_success_at
        if last is None or self._clock.time() - last >= self.config.check_interval:
            return await self.check()
        return self.report()

    def reset(self) -> None:
        """Close the circuit (ramped), forget errors and a dead key; never limits or spend."""
        self._dead_key = None
        self._denied.clear()
        self._provider.reset()
        self._tally.forget_errors()
        self._breaker.reset()

    async def close(self) -> None:
        """Let go of the connections of the running event loop."""
        await self._provider.close()

    # -- one call ----------------------------------------------------------------------

    async def _ask(self, prompt: Prompt, timeout: float | None) -> Completion:
        self._refuse_in_vain(prompt.model)
        if wrong := complaint(prompt, timeout):
            raise self._invalid(wrong)
        request = self._provider.prepare(prompt)
        price = await self._price(prompt.model)
        limit = self.config.timeout if timeout is None else timeout
        return await self._policy.run(
            partial(self._attempt, request, price),
            self._most_it_can_take(request, price, limit),
            timeout=timeout,
        )

    async def _attempt(self, request: Request, price: Price) -> Completion:
        try:
            completion = await self._provider.complete(request)
        except ExternalServiceError as error:
            if isinstance(error.usage, Usage):
                error.usage = price.bill(error.usage, self._clock.time())
            self._learn(error, request.prompt.model)
            raise
        if completion.usage is None:
            return completion
        usage = price.bill(completion.usage, self._clock.time())
        self._tally.billed(usage.nanousd or 0)
        return replace(completion, usage=usage)

    def _refuse_in_vain(self, model: str) -> None:
        """Raise what is known beforehand, so that nothing is sent in vain."""
        if not self.config.is_configured:
            raise ApiKeyError(self.config.name, f"no API key; set {self.config.key_variable}")
        if known := self._dead_key or self._denied.get(model):
            raise type(known)(self.config.name, known.detail, usage=NOTHING)

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

    def _most_it_can_take(self, request: Request, price: Price, limit: float) -> Ask:
        now, given = self._clock.time(), request.prompt.max_tokens
        taken = len(request.body)
        return Ask(1, taken + given, price.bound(taken, given, now, now + limit))

    # -- what a failure teaches ----------------------------------------------------------

    def _learn(self, error: ExternalServiceError, model: str) -> None:
        match error:
            case ApiKeyError() | AccessDeniedError() | QuotaExceededError() if error.retryable:
                # Another key is good; the provider remembers which is not.
                return
            case ApiKeyError():
                self._dead_key = error
                self._breaker.isolate(error.detail)
            case AccessDeniedError():
                if len(self._denied) < _MOST_DENIED:
                    self._denied[model] = error
                if model == self.config.model:
                    self._breaker.isolate(error.detail)
            case QuotaExceededError(retry_after=float(seconds)):
                self._breaker.open_until(seconds, error.detail)
            case QuotaExceededError():
                self._breaker.isolate(error.detail)

    def _as_service_error(self, error: Exception) -> ExternalServiceError:
        name = self.config.name
        match error:
            case ExternalServiceError():
                return error
            case Rejected():
                detail = str(error).removeprefix(f"{error.gate}: ")
                return ServiceRejected(name, detail, retry_after=error.retry_after, usage=NOTHING)
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

    def _details(self) -> Mapping[str, object]:
        config = self.config
        return MappingProxyType(
            {
                "configured": config.is_configured,
                "model": config.model,
                "vendor": config.vendor,
                "last_error": self._tally.last_error,
                "key_variable": config.key_variable,
            }
        )

    def _cause(
        self, state: Health, limited: str | None, breaker: BreakerStats, check: CheckStats | None
    ) -> str | None:
        match state:
            case Health.MAINTENANCE:
                return f"no API key; set {self.config.key_variable}"
            case Health.RATE_LIMITED:
                return limited
            case Health.UNHEALTHY:
                if check is not None and not check.ok and not check.success_since:
                    return check.error
                return f"{breaker.failures} of the last {breaker.outcomes} calls failed"
        return breaker.cause


def _least(patience: float | None, timeout: float) -> float | None:
    return None if patience is None else min(patience, timeout)


def _limits(config: ServiceConfig) -> RateLimiterConfig:
    counts = (config.requests_per_minute, config.requests_per_hour, config.requests_per_day)
    limits = (Limit(count, per) for count, (_, per) in zip(counts, WINDOWS, strict=True))
    return RateLimiterConfig(tuple(limits))


def _appraise(value: object) -> Success:
    match value:
        case Completion(usage=Usage(nanousd=int(cost)) as usage):
            return Success(Spent(1, usage.tokens, cost))
        case _:
            return Success()
