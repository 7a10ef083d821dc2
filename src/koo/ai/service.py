"""One AI service: a provider, its policy, its money and its memory.

    query --> configured? key alive? prompt and price known? --> Ask (the most it can cost)
          --> Policy: CostLimit -> CircuitBreaker -> Limits (the vendor's, ours) -> DailyBudget
          --> provider, once per attempt --> usage priced --> settled
          --> the text, or an ExternalServiceError
    stream --> the same way, with the text as it comes
    permit --> the same way, but for the provider: an SDK sends

A key error or a spent quota is learned from the first answer that says so: the
circuit opens until the time the vendor names, or until a person resets it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Final

from ..errors import ExternalServiceError, InvalidRequestError
from ..resilience import (
    RANDOM,
    SYSTEM_CLOCK,
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
from .answering import Response, ResponseCache, response_of
from .asking import CostLimit, Prompt, Question
from .config import ServiceConfig
from .health import (
    Checks,
    Lessons,
    Limits,
    Tally,
    budget_readings,
    cause_of,
    details_of,
    explain,
    limit_cause,
    limits_of,
)
from .pacing import PacedAsk
from .pricing import Price, PriceTable
from .provider import NOTHING, Completion, Heard, Provider, Request
from .providers import connect, read_for
from .questions import complaint, put
from .rotation import Rotation, keys_of
from .sdk import Estimate, Guard, Keyring, SDKCall
from .streaming import AIStream, Telling, Times
from .till import Till
from .verdicts import appraise, as_service_error, classify

__all__ = ["AIService"]

#: Every limit as the settings say.
_AS_SET: Final = Times()
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
        self._clock = clock
        self._tally = Tally(clock, config.model)
        self._till = Till(config, prices or PriceTable(), self._tally, clock=clock)
        self._breaker = CircuitBreaker(
            self.name,
            config.breaker,
            clock=clock,
            random=random,
            on_event=on_event,
        )
        store = store or MemoryStore(clock=clock)
        self._lessons = Lessons(config, self._breaker)
        self._cache = None if config.cache is None else ResponseCache(config.cache, clock)
        keys = keys_of(self._provider)
        budget = DailyBudgetConfig(config.daily_budget_nanousd, config.budget_zone)
        limiter, self._budget = store.limiter_and_budget(
            self.name, limits_of(config), budget, on_event=on_event
        )
        self._limits = Limits(self.name, config, limiter, keys=keys, clock=clock, on_event=on_event)
        self._policy = Policy(
            self.name,
            gates=(CostLimit(self.name), self._breaker, *self._limits.gates, self._budget),
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
        self._guard = Guard(
            config,
            self._policy,
            read_for(config, clock=clock),
            lessons=self._lessons,
            keyring=Keyring(self._provider, self._limits),
            tally=self._tally,
            till=self._till,
            clock=clock,
        )
        self._checks = Checks(
            Policy(self.name, retry_budget=None, timeout=config.check_timeout, clock=clock),
            self._provider.list_models,
            interval=config.check_interval,
            clock=clock,
            on_event=on_event,
        )

    async def query(self, prompt: str | Prompt, *, timeout: float | None = None) -> str:
        """The answer's text. Every failure is an :class:`~koo.errors.ExternalServiceError`.

        *timeout* (seconds) bounds the whole query: waiting, attempts and backoff.
        """
        return (await self.answer(put(prompt, self.config), timeout)).text

    async def answer(self, question: Question, timeout: float | None) -> Response:
        """The answer to *question*, and what is known of it; as :meth:`query` otherwise."""
        self._tally.began()
        try:
            return await self._ask(question, timeout)
        except Exception as error:
            failure = as_service_error(self.config.name, error)
            self._tally.failed(failure, error)
            if failure is error:
                raise
            raise failure from error

    def stream(self, prompt: str | Prompt, *, times: Times = _AS_SET) -> AIStream:
        """The answer's text as it comes. Every failure is an ExternalServiceError."""
        question = put(prompt, self.config)
        telling = Telling(self.config.name, question.model)
        return AIStream(telling, self.tell(telling, question, times))

    async def tell(
        self, telling: Telling, question: Question, times: Times
    ) -> AsyncGenerator[str, None]:
        """The pieces of the answer to *question*; what is known of it goes into *telling*."""
        telling.begin(self.config.name, question.model)
        self._tally.began()
        try:
            async with aclosing(await self._open(telling, question, times)) as items:
                async for item in items:
                    if not isinstance(item, str):
                        telling.completion = item
                    elif item:
                        yield item
        except Exception as error:
            failure = as_service_error(self.config.name, error, telling.heard)
            self._tally.failed(failure, error)
            if failure is error:
                raise
            raise failure from error
        self._tally.succeeded()

    def permit(self, estimate: Estimate, *, timeout: float | None = None) -> SDKCall:
        """Leave for one request that another client makes, as ``async with``.

        Entering it waits in line as a query does, and raises an ExternalServiceError if the
        call may not be made; the block's own exception leaves it as it is. *timeout*
        (seconds) bounds the line and the block; no block may last longer than an attempt.
        """
        return SDKCall(self._guard, estimate, timeout)

    def report(self) -> Report:
        """How it is doing. Only looks."""
        breaker, limits, budget = self._breaker.stats(), self._limits.stats(), self._budget.stats()
        check, calls = self._checks.stats(self._tally.last_success_at), self._policy.stats()
        limited, away = limit_cause(limits, budget), self._lessons.away
        state = derive_health(breaker, check, limited=limited is not None, maintenance=bool(away))
        return Report(
            component=self.name,
            kind="ai",
            state=state,
            since=breaker.since,
            cause=cause_of(state, limited, breaker, check, away=away),
            next_try=breaker.retry_after,
            breaker=breaker,
            check=check,
            readings=(
                *self._tally.readings(),
                Reading("retries_total", calls.retries_total),
                *limits.readings(self._clock.time()),
                *budget_readings(budget),
                *self._key_readings(),
                *(self._cache.readings() if self._cache is not None else ()),
            ),
            distributions=(
                Distribution("response_time", calls.latency),
                *self._tally.distributions(),
            ),
            details=details_of(self.config, self._tally.last_error),
        )

    def explain(self) -> str:
        """Why a call would be let in now, or not: each gate in a sentence. Only looks."""
        return explain(self.report())

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

    def take_out(self, why: str) -> None:
        """Refuse every call until a reset; *why* is a sentence for people."""
        self._lessons.take_out(why)

    def reset(self) -> None:
        """Close the circuit (ramped), forget errors, a dead key and what the vendor's limits are.

        Never our own limits or spend.
        """
        self._lessons.forget()
        self._limits.forget()
        self._provider.reset()
        self._tally.forget_errors()
        self._breaker.reset()

    async def close(self) -> None:
        """Let go of the connections of the running event loop."""
        await self._provider.close()

    # -- one call ----------------------------------------------------------------------

    @traced("call")
    async def _ask(self, question: Question, timeout: float | None) -> Response:
        began = self._clock.monotonic()
        request, price = await self._prepared(question, Times(timeout))
        if self._cache is not None and (kept := self._cache.find(request)) is not None:
            self._tally.recalled()
            return kept
        outcome = await self._policy.outcome(
            partial(self._attempt, request, price),
            self._most_it_can_take(request, price, timeout),
            timeout=self._left_of(timeout, began),
        )
        if outcome.error is not None:
            raise outcome.error
        self._tally.succeeded()
        response = response_of(self.config.name, outcome)
        if self._cache is not None:
            self._cache.keep(request, response)
        return response

    async def _open(
        self, telling: Telling, question: Question, times: Times
    ) -> AsyncGenerator[str | Completion, None]:
        began = self._clock.monotonic()
        request, price = await self._prepared(replace(question, streams=True), times)
        first = times.first_token and self._left_of(times.first_token, began)
        return self._policy.stream(
            partial(self._listen, request, price, telling),
            self._most_it_can_take(request, price, times.timeout),
            timeout=self._left_of(times.timeout, began),
            pace=Pace(gap=times.idle or self.config.idle_timeout, first=first),
        )

    def _left_of(self, timeout: float | None, began: float) -> float | None:
        """The rest of *timeout*: the first price of a process takes a while to find."""
        spent = self._clock.monotonic() - began
        if spent < _NOTICEABLE:
            return timeout
        return max(_NOTICEABLE, (self.config.timeout if timeout is None else timeout) - spent)

    async def _prepared(self, question: Question, times: Times) -> tuple[Request, Price]:
        self._lessons.refuse_in_vain(question.model)
        if wrong := complaint(question, *times):
            raise InvalidRequestError(self.config.name, wrong, usage=NOTHING)
        request, price = self._provider.prepare(question), self._till.known(question.model)
        if price is None:
            limit = times.until_text(self.config.timeout)
            price = await self._till.price(question.model, limit)
        return request, price

    @traced("attempt")
    async def _attempt(self, request: Request, price: Price) -> Completion:
        try:
            completion = await self._provider.complete(self._limits.with_key(request))
        except ExternalServiceError as error:
            self._learn(error, request, price)
            raise
        return self._billed(completion, price)

    async def _listen(
        self, request: Request, price: Price, telling: Telling
    ) -> AsyncGenerator[str | Completion, None]:
        heard, has_begun = Heard(), False
        telling.heard, began = heard, self._clock.monotonic()
        try:
            sent = self._limits.with_key(request)
            async with aclosing(self._provider.stream(sent, heard)) as items:
                async for item in items:
                    if not has_begun and isinstance(item, str):
                        has_begun = True
                        self._tally.answer_began(self._clock.monotonic() - began)
                    yield item if isinstance(item, str) else self._billed(item, price)
        except ExternalServiceError as error:
            self._learn(error, request, price)
            raise

    def _billed(self, completion: Completion, price: Price) -> Completion:
        usage = self._till.bill(price, completion.model, completion.usage)
        # Not `replace`, which costs more than all the rest of it.
        return Completion(
            completion.text,
            completion.model,
            completion.finish,
            usage,
            completion.request_id,
            completion.told,
            completion.parts,
            completion.raw,
        )

    def _most_it_can_take(self, request: Request, price: Price, timeout: float | None) -> PacedAsk:
        asked = request.question
        return self._till.ask(
            price,
            asked.model,
            taken=request.input_tokens,
            given=asked.max_tokens,
            timeout=timeout,
            purse=asked.purse,
            unbounded=request.unbounded,
        )

    # -- a failure -----------------------------------------------------------------------

    def _learn(self, error: ExternalServiceError, request: Request, price: Price) -> None:
        self._till.bill_failure(price, request.question.model, error)
        self._lessons.learn(error, request.question.model)

    def _key_readings(self) -> Iterator[Reading]:
        if isinstance(keys := self._provider, Rotation):
            yield Reading("keys.living", keys.living, keys.size)


def _least(patience: float | None, timeout: float) -> float | None:
    return None if patience is None else min(patience, timeout)
