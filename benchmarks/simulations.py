"""The resilience floor and its peers in trouble, in virtual time: JSON lines, docs/performance.md.

scripts/bench simulations

A figure is the mean, or where it says so the worst, of twenty seeds; the tests hold the same
simulations to the same bounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from statistics import fmean

from lab.figures import Figure, Section, environment, publish, write_page
from simulated import (
    CASES,
    DOCUMENTED_LIMITS,
    QUICK,
    amplification,
    dead_upstream,
    failed_cases,
    guarded_by_koo,
    herd,
    nested_calls,
    peak_to_mean,
    rescue_of_blips,
    rescue_of_errors,
    rolling_window,
)
from simulated.budgets import OTHERS
from simulated.peers import (
    BREAKERS,
    LIMITERS,
    PEERS,
    RETRIES,
    peers_amplification,
    peers_failed_cases,
    peers_herd,
    peers_nested_calls,
    peers_on_a_dead_upstream,
    peers_peak_to_mean,
    peers_rolling_window,
)

from koo.resilience import RetryConfig

_SEEDS = tuple(range(1, 21))
_DAY = 86_400.0


def main() -> None:
    sections = [limits(), outages(), probes(), retries(), crowds()]
    for section in sections:
        publish("simulations", section)
    write_page("Simulations", environment(PEERS), sections)


def limits() -> Section:
    return Section(
        "What rate limits let through",
        "The worst count in any window of that length, sought over every call of two runs: one"
        " caller who asks again as soon as it may, and bursts of random size at random moments."
        " Utilisation is that of the first of them: the time that its calls would have taken if"
        " each had passed as soon as the limits allow it, over the time that they took.",
        [*_of_each_window(), *_of_all_windows(), *_of_peers_windows()],
    )


def _of_each_window() -> Iterator[Figure]:
    for limit in DOCUMENTED_LIMITS:
        greedy = rolling_window([limit], 5 * limit.per)[0]
        bursts = rolling_window([limit], 20 * limit.per, seed=1)[0]
        what, worst = f"{limit.limit:,} per {limit.per:,.0f} s", max(greedy.worst, bursts.worst)
        yield Figure(f"worst rolling window, {what}", worst, "", f"= {limit.limit:,}")
        yield Figure(f"utilisation, {what}", greedy.utilisation, "", ">= 0.98")


def _of_all_windows() -> Iterator[Figure]:
    together = rolling_window(DOCUMENTED_LIMITS, 3 * _DAY)
    for windows in together:
        what = f"worst rolling window of {windows.limit.per:,.0f} s, all three limits at once"
        yield Figure(what, windows.worst, "", f"<= {windows.limit.limit:,}")
    yield Figure("utilisation, all three limits at once", together[0].utilisation, "", ">= 0.98")


def _of_peers_windows() -> Iterator[Figure]:
    for name in LIMITERS:
        worst = peers_rolling_window(name)
        yield Figure(f"worst rolling window, 60 per 60 s: {name}", worst, "")


def outages() -> Section:
    return Section(
        "What reaches a dead upstream",
        "Requests in 60 s at 100 calls a second, each failing after 1 s or 10 s; the circuit"
        " breaker's first wait is 10 s, nobody waits in line, no slow rule. Cold: dead from the"
        " first call. Healthy: after 60 s of answers. The worst of twenty seeds; of peers, one."
        " These try three times and wait up to 1, 2 s between; before a peer's breaker that"
        " opens after five failures for 10 s, they try again only what the upstream raised."
        " The goals are for calls that are tried once: what had failed before the breaker opened"
        " is tried again while it is closed, and ten retries are free.",
        [
            *_of_health("cold", 0.0, {20: (30, 30), None: (110, 1_010)}),
            *_of_health("healthy before", 60.0, {20: (45, 45), None: (155, 1_055)}),
            *_of_peers_outages(),
        ],
    )


def _of_health(
    word: str, health: float, goals: dict[int | None, tuple[int, int]]
) -> Iterator[Figure]:
    for places, bounds in goals.items():
        for failure_time, bound in zip((1.0, 10.0), bounds, strict=True):
            beside = f"a bulkhead of {places}" if places else "no bulkhead"
            what = f"{word}, failing after {failure_time:g} s, {beside}"
            hits = partial(dead_upstream, failure_time, places=places, health=health)
            yield Figure(what, max(hits(seed) for seed in _SEEDS), "", f"<= {bound:,}")
            retried = max(hits(seed, retry=RetryConfig()) for seed in _SEEDS)
            yield Figure(f"{what}, with 3 retries", retried, "")


def _of_peers_outages() -> Iterator[Figure]:
    for failure_time in (1.0, 10.0):
        for name in (None, *BREAKERS):
            what = "tenacity alone" if name is None else f"tenacity before {name}'s breaker"
            hits = peers_on_a_dead_upstream(name, failure_time, seed=1)
            yield Figure(f"cold, failing after {failure_time:g} s: {what}", hits, "")


def probes() -> Section:
    return Section(
        "Probes and clocks",
        f"How many of {len(CASES)} cases a breaker gets wrong, and which. Each opens after five"
        " failures for 10 s, is else as its makers set it, and nothing limits the time of a call."
        " Late answers: twenty calls from before the outage that are answered while a probe is out"
        " close nothing. A probe, or a hundred calls, that their callers cancel move nothing, and"
        " the next call passes. A probe that hangs keeps nobody out for more than 100 s. A wall"
        " clock set back an hour keeps nothing open, and one set forward lets nobody in. The tests"
        " put koo through a hundred thousand schedules of such things, drawn by lot. pybreaker is"
        " absent: its `call_async` needs Tornado.",
        [
            _of_cases("koo", failed_cases(guarded_by_koo), "= 0"),
            *(_of_cases(name, peers_failed_cases(name)) for name in BREAKERS),
        ],
    )


def _of_cases(name: str, failed: Sequence[str], goal: str = "") -> Figure:
    what = f"{name}: {', '.join(failed)}" if failed else name
    return Figure(what, len(failed), f"of {len(CASES)}", goal)


def retries() -> Section:
    return Section(
        "What retries cost and mend",
        "A client with three attempts, the documented backoff and a retry budget, after 60 s of"
        " health; no circuit breaker. Rescue is the share of failed first attempts that end well"
        " all the same. Blips: everything fails for 0.5 s in every 10 s. The mean of twenty seeds."
        " Of two other budgets, modelled here for the same client, one seed: that of the AWS SDKs"
        " has 500 tokens, full at first; a retry takes 14 and its success brings them back, while"
        " the success of a first attempt brings one. Finagle's is a fifth of the calls of the last"
        " 10 s and 100 more.",
        [*_of_amplification(), *_of_rescue(), *_of_nests()],
    )


def _of_amplification() -> Iterator[Figure]:
    for rps, bound in ((2, 1.10), (100, 1.04), (1000, 1.04)):
        value = fmean(amplification(rps, seed) for seed in _SEEDS)
        what = f"attempts per call in a total outage, {rps:,} a second"
        yield Figure(what, value, "", f"<= {bound}")
        for name, budget in OTHERS.items():
            yield Figure(f"{what}: {name}", amplification(rps, 1, budget), "")
    value = peers_amplification(100, seed=1)
    yield Figure("attempts per call in a total outage, 100 a second: tenacity", value, "")


def _of_rescue() -> Iterator[Figure]:
    for rps in (100, 1000):
        value = fmean(rescue_of_errors(rps, seed) for seed in _SEEDS)
        what = f"rescue at 10 % errors, {rps:,} a second"
        yield Figure(what, value, "", ">= 0.98")
        for name, budget in OTHERS.items():
            yield Figure(f"{what}: {name}", rescue_of_errors(rps, 1, budget), "")
        for base in (1.0, QUICK):
            value = fmean(rescue_of_blips(rps, seed, base) for seed in _SEEDS)
            what = f"rescue of blips, {rps:,} a second, base delay {base:g} s"
            yield Figure(what, value, "", ">= 0.55")
            for name, budget in OTHERS.items():
                yield Figure(f"{what}: {name}", rescue_of_blips(rps, 1, base, budget), "")


def _of_nests() -> Iterator[Figure]:
    what = "calls on a dead backend, three layers of three attempts each"
    yield Figure(what, nested_calls(), "", "= 3")
    yield Figure(f"{what}: tenacity", peers_nested_calls(), "")


def crowds() -> Section:
    spread = fmean(peak_to_mean(seed) for seed in _SEEDS)
    return Section(
        "What a crowd does in one instant",
        "A thousand calls in the instant at which an open circuit may be tried; and a thousand"
        " clients that begin an outage of 60 s in one instant, without a retry budget and with a"
        " cap of 5 s: the busiest 100 ms of the last 20 s over the mean of them, the mean of twenty"
        " seeds.",
        [
            Figure("calls that reach it in the instant of recovery", herd(), "", "= 1"),
            *(
                Figure(f"calls that reach it in the instant of recovery: {name}", hits, "")
                for name, hits in ((name, peers_herd(name)) for name in BREAKERS)
            ),
            Figure("busiest over mean 100 ms", spread, "", "<= 1.6"),
            *_of_peers_crowds(),
        ],
    )


def _of_peers_crowds() -> Iterator[Figure]:
    for name in RETRIES:
        spread = fmean(peers_peak_to_mean(name, seed) for seed in _SEEDS)
        yield Figure(f"busiest over mean 100 ms: {name}", spread, "")


if __name__ == "__main__":
    main()
