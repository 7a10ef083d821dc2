"""Providers in trouble: what is sent in vain, waited for in vain, or taken for an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import mean
from time import perf_counter

from aiohttp import ClientSession
from lab.figures import Figure, Section
from lab.paired import percentile

from koo.ai import Prompt, Question, ServiceConfig, connect
from koo.resilience import BreakerConfig
from koo.testing import Fault, Simulator

from .place import Effort
from .strained import MODELS, Ask, Asker, askers

__all__ = ["dead", "in_vain", "late", "truncated"]

#: Money and keys, in each vendor's own words.
_IN_VAIN: Mapping[str, Sequence[str]] = {
    "claude": ("bad-key", "billing", "credit-too-low", "spend-cap", "contract-cap", "linked-spend"),
    "openai": ("bad-key", "no-quota", "credit-exhausted", "project-spend", "hard-limit"),
    "gemini": ("bad-key", "prepaid-empty", "billing-disabled", "day", "no-quota-for-model"),
}
_TIMEOUT, _HOPELESS = 1.0, 12.0
_CALLS = 1_000
_BREAKER = BreakerConfig()
_WHOLE = "A whole answer, of which no word may be missing without a word about it. " * 2
#: What each vendor sends in each case and what it must come to; by hand, from their documents.
_SURFACES = Path(__file__).parents[2] / "tests/ai/surfaces.txt"
_OF_KEY_OR_MONEY = frozenset({"AccessDeniedError", "ApiKeyError", "QuotaExceededError"})
#: Of whom every request reaches the vendor, whatever the one before has met.
_TRUSTING = BreakerConfig(failure_threshold=10**6)


async def in_vain(effort: Effort) -> Sequence[Section]:
    """One call for each error that no repetition helps against."""
    del effort
    figures: list[Figure] = []
    async with Simulator() as simulator, askers(timeout=10.0) as everybody:
        for asker in everybody:
            sent = [
                await _sent(simulator, service, scenario, asker.ask)
                for service in asker.services
                for scenario in _IN_VAIN.get(service, ())
            ]
            goal = "<= 1" if asker.name == "koo" else ""
            figures += [
                Figure(f"{asker.name}: requests sent, at most", max(sent), "", goal),
                Figure(f"{asker.name}: requests sent, in the mean", mean(sent), ""),
            ]
    errors = _errors_in_vain()
    for stream in (False, True):
        figures += [await _of_each(errors, stream=stream)]
    method = (
        "Sixteen errors of three vendors that say that the key or the money is at fault; one call"
        " each, every client as it is set up by default. And, to koo alone, each such error that"
        " the table of surfaces knows, of all vendors, inside a 200 too."
    )
    return [Section("Requests sent for an error of key or money", method, figures)]


async def late(effort: Effort) -> Sequence[Section]:
    """A timeout of one second against services that are never done."""
    figures: list[Figure] = []
    kinds = {
        "a hanging service": (Fault.HANG, False),
        "a byte now and then": (Fault.DRIP, False),
        "pings only": (Fault.PINGS, True),
    }
    for what, (fault, stream) in kinds.items():
        async with Simulator() as simulator, askers(timeout=_TIMEOUT, stream=stream) as everybody:
            for asker in everybody:
                await _warm_up(simulator, asker)
                for service in asker.services:
                    simulator.fault(service, fault, delay=0.02)
                took = await asyncio.gather(
                    *(
                        _timed(asker.ask(service, simulator.base_url(service)))
                        for service in asker.services
                        for _ in range(effort.at_once)
                    )
                )
                goal = "<= 1.05 s" if asker.name == "koo" else ""
                p99 = percentile(took, 99)
                figures += [Figure(f"{asker.name}, {what}: p99", p99, "s", goal)]
    method = (
        f"{effort.at_once} calls at once to each vendor, with `timeout=1.0` as each client takes"
        f" it; who is not done after {_HOPELESS:g} s is given up. The service hangs, sends a byte"
        " each 20 ms, or streams half an answer and then only pings."
    )
    return [Section("A timeout of one second", method, figures)]


async def truncated(effort: Effort) -> Sequence[Section]:
    """Streams that end, politely, before their end."""
    figures: list[Figure] = []
    async with (
        Simulator(answer=lambda _: _WHOLE) as simulator,
        askers(timeout=10.0, stream=True, breaker=_TRUSTING) as everybody,
    ):
        places = {service: await _places(simulator, service, effort) for service in MODELS}
        for asker in everybody:
            await _is_understood(simulator, asker)
            cuts = [
                (service, fault, place)
                for service in asker.services
                for fault in (Fault.CUT, Fault.EARLY_END)
                for place in places[service]
            ]
            taken = 0
            for service, fault, place in cuts:
                simulator.clear()
                simulator.fault(service, fault, after=place)
                taken += await _is_taken_for_whole(asker.ask(service, simulator.base_url(service)))
            goal = "= 0" if asker.name == "koo" else ""
            what = f"{asker.name}: of {len(cuts)} cut streams, taken for whole"
            figures += [Figure(what, taken, "", goal)]
    method = (
        "Streams that end at the end of one event after the other, and in the middle of one event"
        " after the other, once without an error of the connection and once reset; those of which"
        " text is missing and of which the caller learns nothing."
    )
    return [Section("Streams cut off", method, figures)]


async def dead(effort: Effort) -> Sequence[Section]:
    """A service that is overloaded from the beginning on, and callers who come one by one."""
    figures = []
    async with askers(timeout=10.0) as everybody:
        for asker in everybody:
            if asker.name not in {"koo", "LiteLLM", "LiteLLM Router"}:
                continue
            calls = _CALLS if asker.name == "koo" else effort.cuts
            began = perf_counter()
            hits = await _hits(asker, calls)
            probes = int((perf_counter() - began) / _BREAKER.recovery_timeout)
            most = _BREAKER.failure_threshold + probes
            goal = f"<= {most}" if asker.name == "koo" else ""
            figures += [Figure(f"{asker.name}: requests sent for {calls} calls", hits, "", goal)]
    method = (
        "From a cold start, one call after another, to a service that is always overloaded;"
        f" koo as it is by default: {_BREAKER.failure_threshold} failures open its circuit, and a"
        f" probe goes out at most once in {_BREAKER.recovery_timeout:g} s. LiteLLM is asked less"
        " often, because it waits before each of its retries."
    )
    return [Section("A dead service", method, figures)]


async def _hits(asker: Asker, calls: int) -> int:
    """The requests that one call after another sends to a service that is always overloaded."""
    async with Simulator() as simulator:
        simulator.fault("openai", Fault.OVERLOADED)
        for _ in range(calls):
            with suppress(Exception):
                await asker.ask("openai", simulator.base_url("openai"))
        return len(simulator.completions("openai"))


def _errors_in_vain() -> Sequence[tuple[str, str]]:
    """The service and the name of each error of key or money in the table."""
    rows = (line.split() for line in _SURFACES.read_text().splitlines() if line)
    return [(row[0], row[1]) for row in rows if row[0] not in "#*" and row[2] in _OF_KEY_OR_MONEY]


async def _of_each(errors: Sequence[tuple[str, str]], *, stream: bool) -> Figure:
    services = {service for service, _ in errors}
    async with (
        Simulator(services) as simulator,
        askers(timeout=10.0, stream=stream) as (koo, *_),
    ):
        sent = [await _sent(simulator, *error, koo.ask) for error in errors]
    if not all(sent):
        raise RuntimeError("some were not asked")
    how = "streamed" if stream else "whole"
    what = f"koo: requests sent, at most, of {len(errors)} errors of all vendors, {how}"
    return Figure(what, max(sent), "", "<= 1")


async def _places(simulator: Simulator, service: str, effort: Effort) -> Sequence[int]:
    """After how many bytes a good answer is at an event, or amid one; not all, in haste."""
    url = simulator.base_url(service)
    config = ServiceConfig(name=service, api_key="x", base_url=url, model=MODELS[service])
    provider = connect(config)
    request = provider.prepare(Question(Prompt("Hello?"), config.model, 500, streams=True))
    headers = {"Authorization": "Bearer x", "x-goog-api-key": "x"}
    async with (
        ClientSession(headers=headers) as session,
        session.post(url + request.path, data=request.body) as response,
    ):
        response.raise_for_status()
        events = (await response.read()).split(b"\n\n")
    await provider.close()
    starts = [sum(len(one) + 2 for one in events[:count]) for count in range(len(events) - 1)]
    middles = [start + len(one) // 2 for start, one in zip(starts, events[:-1], strict=True)]
    step = -(-len(starts) // effort.cuts)
    return [*starts[::step], *middles[::step]]


async def _sent(simulator: Simulator, service: str, scenario: str, ask: Ask) -> int:
    before = len(simulator.completions(service))
    with suppress(Exception):
        await asyncio.wait_for(ask(service, simulator.base_url(service, scenario)), _HOPELESS)
    return len(simulator.completions(service)) - before


async def _is_understood(simulator: Simulator, asker: Asker) -> None:
    """Raise RuntimeError unless a good answer is one: who understands none is never deceived."""
    simulator.clear()
    for service in asker.services:
        if await asker.ask(service, simulator.base_url(service)) != _WHOLE:
            raise RuntimeError(f"{asker.name} does not understand {service}")


async def _is_taken_for_whole(call: Awaitable[str]) -> bool:
    try:
        return await asyncio.wait_for(call, _HOPELESS) != _WHOLE
    except Exception:  # noqa: BLE001 - every client has errors of its own
        return False


async def _warm_up(simulator: Simulator, asker: Asker) -> None:
    """What each loads at its first call is not measured."""
    simulator.clear()
    for service in asker.services:
        for _ in range(2):
            await _timed(asker.ask(service, simulator.base_url(service)))


async def _timed(call: Awaitable[str]) -> float:
    began = perf_counter()
    with suppress(Exception):
        await asyncio.wait_for(call, _HOPELESS)
    return perf_counter() - began
