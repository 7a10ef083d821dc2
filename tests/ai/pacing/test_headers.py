"""Every vendor's rate limit headers are understood, and what can't be true is not believed."""

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koo.ai import WindowTold, read_windows
from koo.ai.pacing import their_time

NOW = 1_795_392_000.0  # 2026-11-23T00:00:00Z
REQUESTS, TOKENS = ("requests", "requests"), ("tokens", "tokens")


def _openai(limit, remaining, reset, kind="requests"):
    return {
        f"x-ratelimit-limit-{kind}": limit,
        f"x-ratelimit-remaining-{kind}": remaining,
        f"x-ratelimit-reset-{kind}": reset,
    }


def _anthropic(kind, limit, remaining, reset):
    name = f"anthropic-ratelimit-{kind}"
    return {f"{name}-limit": limit, f"{name}-remaining": remaining, f"{name}-reset": reset}


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        (_openai("60", "59", "1s"), (*REQUESTS, 60, 59, 1.0)),
        (_openai("60", "0", "6m0s"), (*REQUESTS, 60, 0, 360.0)),
        (_openai("10000", "9999", "6ms"), (*REQUESTS, 10_000, 9_999, 0.006)),
        (_openai("150000", "149984", "1m30s", "tokens"), (*TOKENS, 150_000, 149_984, 90.0)),
        (_openai("14400", "14370", "2m59.56s"), (*REQUESTS, 14_400, 14_370, 179.56)),
        (_openai("60", "60", "0s"), (*REQUESTS, 60, 60, 0.0)),
        (
            _openai("9", "7", "40.5", "requests-day"),
            ("requests day", "requests", 9, 7, 40.5),
        ),
        (
            _openai("90", "70", "4s", "project-tokens"),
            ("project tokens", "tokens", 90, 70, 4.0),
        ),
        (
            {"x-ratelimit-limit-req-minute": "720", "x-ratelimit-remaining-req-minute": "717"},
            ("req minute", "requests", 720, 717, 60.0),
        ),
        (
            {
                "x-ratelimit-remaining-tokens-minute": "4999911",
                "x-ratelimit-tokens-query-cost": "5",
            },
            ("tokens minute", "tokens", None, 4_999_911, 60.0),
        ),
        (
            _anthropic("requests", "50", "49", "2026-11-23T00:00:30.5Z"),
            (*REQUESTS, 50, 49, 30.5),
        ),
        (
            _anthropic("input-tokens", "5000", "4000", "2026-11-23T00:00:30Z"),
            ("input tokens", "input tokens", 5_000, 4_000, 31.0),
        ),
        (
            _anthropic("output-tokens", "500", "0", "2026-11-23T00:00:00Z"),
            ("output tokens", "output tokens", 500, 0, 1.0),
        ),
        (
            {"x-ratelimit-limit": "20", "x-ratelimit-remaining": "3", "x-ratelimit-reset": "7"},
            (*REQUESTS, 20, 3, 7.0),
        ),
        (
            {"x-ratelimit-remaining": "3", "x-ratelimit-reset": str(int(NOW + 9))},
            (*REQUESTS, None, 3, 10.0),
        ),
        (
            {"x-ratelimit-remaining": "3", "x-ratelimit-reset": str(int(NOW + 9) * 1000)},
            (*REQUESTS, None, 3, 9.0),
        ),
        (
            {
                "ratelimit-limit": "100, 100;w=60",
                "ratelimit-remaining": "1",
                "ratelimit-reset": "5",
            },
            (*REQUESTS, None, 1, 5.0),
        ),
        (_openai("60", "59", str(NOW - 3)), (*REQUESTS, 60, 59, 0.0)),
    ],
)
def test_a_window_is_read_in_every_form(headers, told):
    [window] = read_windows(headers, NOW)
    assert window == WindowTold(*told[:4], pytest.approx(told[4]))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        _openai("60", "-1", "1s"),
        _openai("60", "nan", "1s"),
        _openai("60", "inf", "1s"),
        _openai("60", "1e3", "1s"),
        _openai("60", "٣", "1s"),
        _openai("60", "9" * 16, "1s"),
        _openai("60", "61", "1s"),
        _openai("0", "0", "1s"),
        _openai("60", "59", "-5s"),
        _openai("60", "59", "soon"),
        _openai("60", "59", ""),
        _openai("60", "59", "25h"),
        _openai("60", "59", "9" * 40),
        _openai("60", "59", str(int(NOW - 3600))),
        _openai("60", "59", "2036-11-23T00:00:00Z"),
        {"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "59"},
        {"x-ratelimit-limit-requests": "60", "x-ratelimit-reset-requests": "5s"},
        _openai("60", "59", "5s", "images"),
        _anthropic("unified", "60", "59", "2026-11-23T00:00:30Z"),
        {"ratelimit-policy": "100;w=60"},
        {"x-ratelimit-limit-remaining": "5"},
    ],
)
def test_what_cannot_be_true_is_not_believed(headers):
    assert read_windows(headers, NOW) == ()


def test_all_windows_of_an_answer_are_read():
    headers = _openai("60", "59", "1s") | _openai("900", "800", "7s", "tokens")
    assert {window.name for window in read_windows(headers, NOW)} == {"requests", "tokens"}


def test_each_answer_tells_its_own_counts_under_the_same_names():
    first, second = _openai("60", "59", "1s"), _openai("50", "7", "2s")
    assert read_windows(first, NOW) == (WindowTold(*REQUESTS, 60, 59, 1.0),)
    assert read_windows(second, NOW) == (WindowTold(*REQUESTS, 50, 7, 2.0),)


def test_of_two_headers_that_say_the_same_the_last_counts():
    headers = {
        "x-ratelimit-remaining-requests": "9",
        "ratelimit-remaining": "8",
        "ratelimit-reset": "5",
    }
    assert read_windows(headers, NOW) == (WindowTold(*REQUESTS, None, 8, 5.0),)


def test_a_moment_is_one_of_the_vendors_own_clock():
    headers = {"date": "Mon, 23 Nov 2026 00:05:00 GMT"}
    assert their_time(headers, NOW) == NOW + 300
    assert their_time({"date": "yesterday"}, NOW) == NOW
    assert their_time({}, NOW) == NOW


@pytest.fixture
def _tokyo(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_tokyo")
def test_a_moment_without_a_zone_is_not_one_of_our_zone():
    assert their_time({"date": "Mon, 23 Nov 2026 00:06:00 -0000"}, NOW) == NOW + 360


words = st.sampled_from(["x", "ratelimit", "limit", "remaining", "reset", "tokens", "day", "input"])
names = st.one_of(st.lists(words, max_size=6).map("-".join), st.text(max_size=30))
texts = st.one_of(
    st.text(max_size=40),
    st.integers().map(str),
    st.floats().map(str),
    st.integers(0, 200).map(lambda n: f"{n}s"),
)


@given(st.dictionaries(names, texts, max_size=12), st.floats(0, 2e9))
def test_no_header_can_make_a_window_that_is_absurd(headers, now):
    for window in read_windows(headers, now):
        assert window.remaining >= 0
        assert window.limit is None or window.limit >= max(1, window.remaining)
        assert math.isfinite(window.reset_after)
        assert 0 <= window.reset_after <= 86_401
    assert math.isfinite(their_time(headers, now))
