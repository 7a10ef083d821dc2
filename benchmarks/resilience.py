"""The resilience floor beside its peers: one run, JSON lines, and docs/performance.md.

scripts/bench resilience
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial

from lab.figures import Figure, Section, environment, publish, write_page
from lab.memory import MANY, bytes_per_service
from lab.overrun import AT_ONCE, CALLS, TIMEOUT, overruns
from lab.paired import percentile
from lab.parts import differences, growing
from lab.refusals import refusals
from lab.rounds import ROUNDS, Contender, Timing, race
from lab.services import SOONER, inheriting, noop, service, swept
from lab.stacks import FULL_STACKS, PARTIAL_STACKS, PEERS
from lab.turning import LOOP, SIZES, turning

_BARE = "bare `await`"
_KOO = "koo, `Policy.run`"
_TURNING_ROUNDS = 9


def main() -> None:
    sections = [
        asyncio.run(success()),
        asyncio.run(parts()),
        asyncio.run(refusal()),
        asyncio.run(deadline()),
        memory(),
        background(),
    ]
    where = environment(PEERS)
    for section in sections:
        publish("resilience", section)
    write_page("Resilience", where, sections)


async def success() -> Section:
    policy = service("service")
    contenders = [
        Contender(_BARE, noop),
        Contender(_KOO, partial(policy.run, noop)),
        Contender(f"{_KOO}, with an inherited deadline", partial(policy.run, noop), inheriting),
        Contender(
            f"{_KOO}, with a timeout of its own", partial(policy.run, noop, timeout=SOONER), swept
        ),
        *(Contender(name, made()) for name, made in (FULL_STACKS | PARTIAL_STACKS).items()),
    ]
    timings = await race(contenders)
    bare = timings[_BARE]
    koo = timings[_KOO].median - bare.median
    fastest = min(timings[name].median - bare.median for name in FULL_STACKS)
    figures = [
        Figure("koo over the fastest stack with three windows", koo / fastest, "", "<= 0.4"),
        *(_net(name, timing, bare, koo) for name, timing in timings.items() if name != _BARE),
    ]
    return Section(
        "A call that succeeds",
        "Circuit breaker, exact windows of a minute, an hour and a day, retry, an armed deadline"
        " and a latency histogram around a coroutine that returns at once; no window is ever full."
        " Nanoseconds per call beyond a bare `await`, medians of"
        f" {bare.rounds} interleaved rounds in one process"
        f" (the bare `await`: {bare.median:.0f} ns)."
        " A call whose deadline is not that of all others needs a timer of its own, and the loop to"
        " sweep it away, which is counted."
        " No peer keeps a histogram; only moving windows are exact. Where the goal is missed: a"
        " call is some five hundred bytecodes and two dozen Python frames; each gate has a clock, a"
        " permit and a settlement of its own, and that a call's deadline is inherited costs a"
        " context variable. Permits made without a constructor, counts in a list and merged steps"
        " gave about two percent each. Some of that is code written twice: the way of a success"
        " spells out how gates are asked, how a permit is settled and how the quickest answer is"
        " noted, and a permit is issued by the steps of its constructor. One thing is generated:"
        " the constructors of values that are made by the thousand, from the names of their fields,"
        " as dataclasses do. Taken out for a trial, a clock of one's own for each gate was two"
        " percent of the call, to ask which task runs seven, the histogram eleven and all"
        " settlement eleven; what would give more is a whole call generated for each policy.",
        figures,
    )


def _net(name: str, timing: Timing, bare: Timing, koo: float) -> Figure:
    net = timing.median - bare.median
    goal = "<= 2,000 ns" if name == _KOO else ""
    return Figure(
        name, net, "ns", goal, timing.best - bare.best, timing.worst, timing.rounds, net / koo
    )


async def parts() -> Section:
    timings = await race(growing())
    figures = [Figure(name, value, "ns") for name, value in differences(timings).items()]
    return Section(
        "Its parts",
        "What the same call takes more with each part added; medians as above.",
        figures,
    )


async def refusal() -> Section:
    timings = await race(await refusals())
    koo = next(iter(timings.values())).median
    goals = {next(iter(timings)): "<= 1,000 ns"}
    figures = [
        Figure(
            name,
            it.median,
            "ns",
            goals.get(name, ""),
            it.best,
            it.worst,
            it.rounds,
            it.median / koo,
        )
        for name, it in timings.items()
    ]
    return Section(
        "A call that an open breaker refuses",
        "Whole nanoseconds per refused call, the caller's own `try` included where the peer raises;"
        f" medians of {ROUNDS} interleaved rounds. Where the goal is missed: a third of it is the"
        " gate's answer, half of that the error that says who refused, why and until when; an"
        " eighth is the value that tells how the call ended, a tenth the coroutine, the rest a"
        " deadline that may be inherited, the walk over the gates and the count. No call is made"
        " for it, unless a deadline has come with it,"
        " and nothing is raised. One error made beforehand for everybody would save a"
        " sixth, but each caller may raise and note on its own.",
        figures,
    )


async def deadline() -> Section:
    taken = await overruns()
    return Section(
        "A deadline that is reached",
        "Milliseconds from the deadline of a call that hangs to the next step of its caller: the"
        f" 99th percentile of {CALLS:,} calls of {TIMEOUT * 1e3:g} ms each, {AT_ONCE} at once.",
        [_overrun(name, percentile(late, 99)) for name, late in taken.items()],
    )


def _overrun(name: str, value: float) -> Figure:
    return Figure(f"overrun: {name}", value, "ms", "<= 2 ms" if name.startswith("koo") else "")


def memory() -> Section:
    rows = [
        (
            f"koo: breaker, three windows, retry, histogram; {MANY:,} services, 50 calls each",
            "koo",
            MANY,
            "<= 2,048 bytes",
        ),
        (
            "the same services with all three documented windows full after a day",
            "koo, a day",
            MANY,
            "<= 4,096 bytes",
        ),
        ("limits, three moving windows alone, 20 calls", "limits moving", MANY, ""),
        ("limits, three fixed windows alone, 50 calls", "limits fixed", MANY, ""),
        ("pyrate-limiter, three rates alone, 50 calls", "pyrate", MANY, ""),
        ("aiolimiter x3 alone, 50 calls", "aiolimiter", MANY, ""),
        ("prometheus-client, a histogram's child alone", "prometheus", MANY, ""),
        ("for scale: a full ring of 10,000 time stamps", "ring", 100, ""),
    ]
    measured = [bytes_per_service(name, services) for _, name, services, _ in rows]
    figures = [
        Figure(what, value, "bytes", goal, times=value / measured[0])
        for (what, _, _, goal), value in zip(rows, measured, strict=True)
    ]
    return Section(
        "Memory per service",
        "Bytes that tracemalloc counts, each row in a fresh process. What a service holds is some"
        " dozen objects, of which the breaker, the policy and what it remembers are the largest."
        " Each window is a few bytes, one for each of its buckets, or more where so much is"
        " counted; how its time is divided is written once, in the configuration.",
        figures,
    )


def background() -> Section:
    by_size = turning(_TURNING_ROUNDS)
    names = list(by_size[SIZES[0]])
    rows = [row for name in names for row in _growth(name, by_size)]
    return Section(
        "Process CPU per call, with many services",
        "Nanoseconds of the whole process per call while the loop turns once after each, so that"
        f" background work counts; services take turns; medians of {_TURNING_ROUNDS} rounds, in"
        " each of which everybody has a turn with every number of services. The growth is the CPU"
        " with the most services over the CPU with one.",
        rows,
    )


def _growth(name: str, by_size: Mapping[int, Mapping[str, Timing]]) -> list[Figure]:
    medians = [by_size[size][name].median for size in SIZES]
    goal = "<= 3" if name.startswith("koo") else ""
    rows = [
        Figure(f"{name}; services: {size:,}", median, "ns")
        for size, median in zip(SIZES, medians, strict=True)
    ]
    if name != LOOP:
        rows.append(Figure(f"{name}; growth", medians[-1] / medians[0], "times", goal))
    return rows


if __name__ == "__main__":
    main()
