"""The published figures that need no peer: what koo does to a dependency in trouble."""

from statistics import fmean

import pytest

from koo.resilience import RetryConfig

pytestmark = pytest.mark.properties


@pytest.mark.parametrize(("rps", "bound"), [(2, 1.10), (100, 1.04), (1000, 1.04)])
def test_a_total_outage_is_not_amplified(simulated, seeds, rps, bound):
    assert fmean(simulated.amplification(rps, seed) for seed in seeds) <= bound


@pytest.mark.parametrize("rps", [100, 1000])
def test_random_errors_are_mended(simulated, seeds, rps):
    assert fmean(simulated.rescue_of_errors(rps, seed) for seed in seeds) >= 0.98


@pytest.mark.parametrize("rps", [100, 1000])
def test_what_fails_for_half_a_second_is_mended(simulated, seeds, rps):
    assert fmean(simulated.rescue_of_blips(rps, seed) for seed in seeds) >= 0.55


@pytest.mark.parametrize("rps", [100, 1000])
def test_half_a_second_is_mended_even_by_a_backoff_that_hardly_outlasts_it(simulated, seeds, rps):
    rescued = [simulated.rescue_of_blips(rps, seed, simulated.QUICK) for seed in seeds]
    assert fmean(rescued) >= 0.55


@pytest.mark.parametrize(
    ("failure_time", "places", "health", "bound"),
    [
        (1.0, 20, 0.0, 30),
        (10.0, 20, 0.0, 30),
        (1.0, None, 0.0, 110),
        (10.0, None, 0.0, 1_010),
        (1.0, 20, 60.0, 45),
        (10.0, 20, 60.0, 45),
        (1.0, None, 60.0, 155),
        (10.0, None, 60.0, 1_055),
    ],
)
def test_a_dead_upstream_is_left_alone(simulated, seeds, failure_time, places, health, bound):
    for seed in seeds:
        hits = simulated.dead_upstream(failure_time, seed, places=places, health=health)
        assert hits <= bound


@pytest.mark.parametrize(
    ("failure_time", "places", "bound"),
    [(1.0, 20, 30), (10.0, 20, 30), (1.0, None, 110), (10.0, None, 1_010)],
)
def test_retries_send_nothing_more_to_an_upstream_that_was_never_alive(
    simulated, seeds, failure_time, places, bound
):
    for seed in seeds:
        hits = simulated.dead_upstream(failure_time, seed, places=places, retry=RetryConfig())
        assert hits <= bound


@pytest.mark.parametrize(
    ("failure_time", "places", "bound"),
    [(1.0, 20, 45), (10.0, 20, 45), (1.0, None, 180), (10.0, None, 1_080)],
)
def test_retries_send_little_more_to_an_upstream_that_was_healthy(
    simulated, seeds, failure_time, places, bound
):
    """Of some fifty failures before it opens, half at most are tried again while it is closed."""
    for seed in seeds:
        hits = simulated.dead_upstream(
            failure_time, seed, places=places, health=60.0, retry=RetryConfig()
        )
        assert hits <= bound


def test_no_probe_that_goes_astray_and_no_clock_that_is_set_misleads_a_breaker(simulated):
    assert simulated.failed_cases(simulated.guarded_by_koo) == ()


def test_a_breaker_that_never_opens_or_never_closes_fails_in_each_of_these_cases(simulated):
    async def refuse():
        raise ConnectionError

    never_opens = simulated.failed_cases(lambda call: simulated.Guarded(call, lambda: True))
    never_closes = simulated.failed_cases(lambda _: simulated.Guarded(refuse, lambda: False))
    assert {*never_opens, *never_closes} == {*simulated.CASES}


def test_one_of_a_thousand_calls_probes_in_the_instant_of_recovery(simulated):
    assert simulated.herd() == 1


def test_three_layers_of_three_attempts_make_three_calls(simulated):
    assert simulated.nested_calls() == 3


def test_a_thousand_clients_spread_over_an_outage(simulated, seeds):
    assert fmean(simulated.peak_to_mean(seed) for seed in seeds) <= 1.6


@pytest.fixture(params=range(3), ids=["60 a minute", "1,000 an hour", "10,000 a day"])
def limit(request, simulated):
    return simulated.DOCUMENTED_LIMITS[request.param]


def test_a_limit_is_used_to_98_percent_and_never_passed(simulated, limit):
    (windows,) = simulated.rolling_window([limit], 5 * limit.per)
    assert windows.worst == limit.limit
    assert windows.utilisation >= 0.98


def test_no_burst_passes_a_limit(simulated, seeds, limit):
    worst = [simulated.rolling_window([limit], 10 * limit.per, seed)[0].worst for seed in seeds]
    assert max(worst) == limit.limit


def test_three_limits_hold_together(simulated):
    for windows in simulated.rolling_window(simulated.DOCUMENTED_LIMITS, 3 * 86_400.0):
        assert windows.worst <= windows.limit.limit
        assert 0.98 <= windows.utilisation <= 1


def test_no_limit_is_used_to_more_than_all_of_it(simulated, seeds, limit):
    for seed in seeds:
        assert simulated.rolling_window([limit], 10 * limit.per, seed)[0].utilisation <= 1
