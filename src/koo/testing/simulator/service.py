"""One simulated service, from the request to what is sent back.

request -> key? -> readable? -> scenario? -> latency -> rule strikes? -> within limits? -> answer
            |         |             |                        |                |
           401       400        its bytes                its fault           429
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from aiohttp import web

from ...resilience import Clock
from .delivery import Delivery, hang, hang_up, in_halves, send_raw
from .dialects import (
    Asked,
    Call,
    Dialect,
    Document,
    Limits,
    Reply,
    Trouble,
    Unreadable,
    Wrong,
    count_tokens,
    first_tokens,
    page,
    sample,
)
from .faults import Endpoint, Fault, FaultScript, Strike
from .meter import Metering
from .received import Received, redacted
from .scenarios import Asker, Scenario, find_scenario, stream_head

# Faults of an answer that is good as far as it comes; all others are errors instead of one.
ANSWERED = frozenset(
    {
        Fault.SLOW,
        Fault.REFUSED,
        Fault.CUT,
        Fault.STALL,
        Fault.EARLY_END,
        Fault.DRIP,
        Fault.PINGS,
    }
)
#: A header, or a first path segment that begins with a tilde, asks for a scenario.
SCENARIO = "x-koo-scenario"

# What machines in front of a vendor say.
PAGES = {
    Fault.GARBAGE: Wrong(200, page("Welcome")),
    Fault.BAD_GATEWAY: Wrong(502, page("502 Bad Gateway")),
}


@dataclass(frozen=True, slots=True)
class Terms:
    """What all services of one simulator share."""

    clock: Clock
    answer: Callable[[str], str]
    thinking: str
    latency: Callable[[], float]
    note: Callable[[Received], None]
    rejected_keys: Collection[str]


@dataclass(frozen=True, slots=True)
class _Exchange:
    """A request on its way to an answer."""

    request: web.Request
    received: Received
    request_id: str
    body: bytes

    def trouble(self, strike: Strike, detail: str = "The request is invalid.") -> Trouble:
        return Trouble(strike, self.request_id, self.received.model, detail)


class Service:
    """A service that speaks *dialect* and does what its ``script`` says."""

    def __init__(
        self,
        name: str,
        dialect: Dialect,
        terms: Terms,
        *,
        script: FaultScript,
        meter: Metering,
        models: tuple[str, ...],
    ) -> None:
        self.name = name
        self.dialect = dialect
        self.script = script
        self._terms = terms
        self._meter = meter
        self._models = models
        self._numbers = itertools.count(1)

    def routes(self) -> list[web.RouteDef]:
        """Where it answers, below its own name, and below that of a scenario."""
        root = f"/{self.name}{self.dialect.base_path}"
        return [
            route
            for start in (root, f"/~{{scenario}}{root}")
            for route in (
                *(web.post(start + path, self.complete) for path in self.dialect.completion_paths),
                *(web.get(start + path, self.list_models) for path in self.dialect.models_paths),
            )
        ]

    async def complete(self, request: web.Request) -> web.StreamResponse:
        """An answer to a prompt, or what is scripted instead."""
        exchange = await self._open(request, Endpoint.COMPLETIONS)
        if (closed := self._door(exchange)) is not None:
            return await self._refuse(exchange, closed)
        try:
            asked = self._asked(exchange)
        except Unreadable as error:
            trouble = exchange.trouble(Strike(Fault.INVALID_REQUEST), str(error))
            return await self._refuse(exchange, self.dialect.wrong(trouble))
        if (scenario := self._scenario(exchange)) is not None:
            return await self._play(exchange, scenario, asked)
        await self._terms.clock.sleep(self._terms.latency())
        strike = self._strike(Endpoint.COMPLETIONS)
        return await self._fulfil(exchange, strike, lambda: self._answer(exchange, asked, strike))

    async def list_models(self, request: web.Request) -> web.StreamResponse:
        """The list of models, or what is scripted instead."""
        exchange = await self._open(request, Endpoint.MODELS)
        if (closed := self._door(exchange)) is not None:
            return await self._refuse(exchange, closed)
        if (scenario := self._scenario(exchange)) is not None:
            return await self._play(exchange, scenario, Asked("", "", 1))
        listed = json.dumps(self.dialect.models(self._models)).encode()
        strike = self._strike(Endpoint.MODELS)
        return await self._fulfil(exchange, strike, lambda: self._whole(exchange, listed))

    async def _open(self, request: web.Request, endpoint: Endpoint) -> _Exchange:
        body = await request.read()
        received = Received(
            self.name,
            endpoint,
            request.path,
            redacted(request.headers),
            hashlib.sha256(body).hexdigest(),
            self._terms.clock.monotonic(),
        )
        self._terms.note(received)
        return _Exchange(request, received, f"req_{next(self._numbers):024d}", body)

    def _door(self, exchange: _Exchange) -> Wrong | None:
        """What a request with no key, or with a rejected one, gets."""
        key = self._key(exchange.request)
        if not key:
            return self.dialect.missing_key(exchange.request_id)
        if key in self._terms.rejected_keys:
            return self.dialect.wrong(exchange.trouble(Strike(Fault.WRONG_KEY)))
        return None

    def _key(self, request: web.Request) -> str:
        headers = {name.lower(): value for name, value in request.headers.items()}
        return self.dialect.key(headers, request.query)

    def _scenario(self, exchange: _Exchange) -> Scenario | None:
        request = exchange.request
        name = request.match_info.get("scenario") or request.headers.get(SCENARIO)
        exchange.received.scenario = name or ""
        return find_scenario(self.name, name) if name else None

    async def _play(
        self, exchange: _Exchange, scenario: Scenario, asked: Asked
    ) -> web.StreamResponse:
        exchange.received.status = scenario.status or None
        now, key = self._terms.clock.time(), self._key(exchange.request)
        asker = Asker(asked.prompt, key, asked.model, now, exchange.request_id)
        sent = scenario.wire(asker)
        if asked.streams and scenario.events:
            sent = scenario.stream(asker)
        elif asked.streams and scenario.event is not None:
            events = self.dialect.events(self._reply(exchange, asked, None), asked)
            begun = events[: len(events) // 2]
            sent = b"".join((stream_head(), *begun, scenario.frame(asker)))
        return await send_raw(exchange.request, sent, resets=scenario.resets)

    def _asked(self, exchange: _Exchange) -> Asked:
        document = _parsed(exchange.body)
        path = {**exchange.request.query, **exchange.request.match_info}
        try:
            asked = self.dialect.read(document, path)
        except (AttributeError, KeyError, TypeError):
            raise Unreadable("The request body is not as documented.") from None
        if self._terms.thinking and asked.carried.lacks_thought:
            raise Unreadable("messages: Expected `thinking` or `redacted_thinking`")
        received = exchange.received
        received.document, received.model, received.streams = document, asked.model, asked.streams
        return asked

    def _strike(self, endpoint: Endpoint) -> Strike | None:
        """What is scripted, else the limit if it is reached, else nothing."""
        now = self._terms.clock.monotonic()
        scripted = self.script.next(endpoint, now)
        if scripted is not None or endpoint is Endpoint.MODELS or self._meter.admits(now):
            return scripted
        return Strike(Fault.RATE_LIMIT, self._meter.retry_after(now), is_true=True)

    async def _fulfil(
        self, exchange: _Exchange, strike: Strike | None, good: Callable[[], Delivery]
    ) -> web.StreamResponse:
        if strike is None:
            return await self._send(exchange, good(), None)
        exchange.received.fault = strike.fault
        await self._suffer(exchange, strike)
        if strike.fault in ANSWERED or _breaks_stream(strike, exchange.received):
            return await self._send(exchange, good(), strike)
        wrong = PAGES.get(strike.fault) or self.dialect.wrong(exchange.trouble(strike))
        return await self._refuse(exchange, wrong, strike)

    async def _suffer(self, exchange: _Exchange, strike: Strike) -> None:
        """What happens before a byte of the answer."""
        match strike.fault:
            case Fault.HANG:
                await hang()
            case Fault.RESET:
                await hang_up(exchange.request)
            case Fault.SLOW:
                await self._terms.clock.sleep(strike.delay)
            case _:
                pass

    async def _refuse(
        self, exchange: _Exchange, wrong: Wrong, strike: Strike | None = None
    ) -> web.StreamResponse:
        headers = {**self._headers(exchange, strike), **wrong.headers}
        frames = in_halves(wrong.body)
        delivery = Delivery(frames, wrong.content_type, headers, wrong.status)
        return await self._send(exchange, delivery, None)

    async def _send(
        self, exchange: _Exchange, delivery: Delivery, strike: Strike | None
    ) -> web.StreamResponse:
        exchange.received.status = delivery.status
        return await delivery.send(exchange.request, strike)

    def _answer(self, exchange: _Exchange, asked: Asked, strike: Strike | None) -> Delivery:
        reply = self._reply(exchange, asked, strike)
        received = exchange.received
        received.input_tokens, received.output_tokens = reply.input_tokens, reply.output_tokens
        self._meter.add_tokens(reply.input_tokens + reply.output_tokens)
        if not asked.streams:
            return self._whole(exchange, json.dumps(self.dialect.answer(reply)).encode())
        frames = self.dialect.events(reply, asked)
        if strike is not None and strike.fault is Fault.STREAM_ERROR:
            begun = frames[: len(frames) // 2]
            frames = [*begun, self.dialect.stream_error(exchange.trouble(strike))]
        headers = self._headers(exchange)
        return Delivery(tuple(frames), asked.stream_type, headers, streams=True)

    def _whole(self, exchange: _Exchange, body: bytes) -> Delivery:
        return Delivery(in_halves(body), "application/json", self._headers(exchange))

    def _reply(self, exchange: _Exchange, asked: Asked, strike: Strike | None) -> Reply:
        text, calls = self._said(exchange, asked)
        thinking = self._terms.thinking
        thought = count_tokens(thinking) if thinking else 0
        tokens = thought + count_tokens(text)
        is_cut_off = tokens > asked.max_tokens
        return Reply(
            exchange.request_id,
            asked.model,
            first_tokens(text, max(0, asked.max_tokens - thought)) if is_cut_off else text,
            self._input_tokens(asked),
            min(tokens, asked.max_tokens),
            self._terms.clock.time(),
            is_cut_off,
            strike is not None and strike.fault is Fault.REFUSED,
            () if is_cut_off else calls,
            thinking,
            min(thought, asked.max_tokens),
        )

    def _said(self, exchange: _Exchange, asked: Asked) -> tuple[str, tuple[Call, ...]]:
        """The text that is answered; with calls it is what they are billed as."""
        carried = asked.carried
        if carried.wants_call:
            offer = carried.wanted
            call = Call(f"call_{exchange.request_id}", offer.name, sample(offer.schema))
            return call.text, (call,)
        if carried.schema is not None:
            return json.dumps(sample(carried.schema)), ()
        return self._terms.answer(asked.prompt), ()

    def _input_tokens(self, asked: Asked) -> int:
        carried, dialect = asked.carried, self.dialect
        around = dialect.tokens_of_tools if carried.offers else 0
        told = count_tokens(asked.prompt + carried.text + "".join(carried.thoughts))
        return told + around + carried.images * dialect.tokens_per_image

    def _headers(self, exchange: _Exchange, strike: Strike | None = None) -> Mapping[str, str]:
        limits = self._limits()
        if strike is not None and strike.fault is Fault.RATE_LIMIT and not strike.is_true:
            requests = replace(limits.requests, remaining=0, reset_after=strike.retry_after)
            limits = replace(limits, requests=requests)
        return self.dialect.headers(exchange.request_id, limits)

    def _limits(self) -> Limits:
        return self._meter.limits(self._terms.clock.monotonic(), self._terms.clock.time())


def _parsed(body: bytes) -> Document:
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise Unreadable("The request body is not valid JSON.")
    return document


def _breaks_stream(strike: Strike, received: Received) -> bool:
    return strike.fault is Fault.STREAM_ERROR and received.streams
