"""A wait is understood in every form in which services name it, and nonsense is no wait."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koo.ai.pacing.waits import named_wait, read_duration

NOW = 1_795_392_000.0  # 2026-11-23T00:00:00Z


@pytest.mark.parametrize(
    ("headers", "message", "delay", "seconds"),
    [
        ({"retry-after-ms": "350"}, "", "", 0.35),
        ({"retry-after-ms": "1500.5"}, "", "", 1.5005),
        ({"retry-after": "7"}, "", "", 7.0),
        ({"retry-after": "0.25"}, "", "", 0.25),
        ({"retry-after": "Mon, 23 Nov 2026 00:00:45 GMT"}, "", "", 45.0),
        ({"retry-after": "2026-11-23T00:01:00Z"}, "", "", 60.0),
        ({"retry-after": "2026-11-23T02:00:00+01:00"}, "", "", 3600.0),
        ({"retry-after": str(int(NOW + 9))}, "", "", 9.0),
        ({}, "", "46s", 46.0),
        ({}, "", "1.500s", 1.5),
        ({}, "Please try again in 20s.", "", 20.0),
        ({}, "try again in 1m3.5s", "", 63.5),
        ({}, "Try again in 2 minutes", "", 120.0),
        ({}, "please retry in 34.07s.", "", 34.07),
        ({}, "retry after 3 seconds", "", 3.0),
        ({}, "wait 250 milliseconds", "", 0.25),
        ({}, "You will regain access on 2026-11-24 at 06:30 UTC.", "", 86_400 + 6.5 * 3600),
        ({}, "resets on 2026-11-25", "", 2 * 86_400.0),
        ({"x-ratelimit-reset-requests": "6m0s"}, "", "", 360.0),
        ({"x-ratelimit-reset-tokens": "20ms"}, "", "", 0.02),
        ({"x-ratelimit-reset": str(int((NOW + 5) * 1000))}, "", "", 5.0),
        ({"anthropic-ratelimit-tokens-reset": "2026-11-23T00:00:08Z"}, "", "", 9.0),
        ({"ratelimit-reset": "30"}, "", "", 30.0),
    ],
)
def test_a_named_wait_is_understood(headers, message, delay, seconds):
    wait = named_wait(headers, message=message, delay=delay, now=NOW)
    assert wait == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("headers", "message", "delay"),
    [
        ({}, "", ""),
        ({"retry-after": ""}, "", ""),
        ({"retry-after": "soon"}, "", ""),
        ({"retry-after": "-5"}, "", ""),
        ({"retry-after": "nan"}, "", ""),
        ({"retry-after": "inf"}, "", ""),
        ({"retry-after": "0"}, "", ""),
        ({"retry-after": "Mon, 23 Nov 2020 00:00:45 GMT"}, "", ""),
        ({"retry-after": "9" * 40}, "", ""),
        ({"retry-after-ms": "x"}, "", ""),
        ({}, "try again in a moment", ""),
        ({}, "try again in 3 apples", ""),
        ({}, "regain access on 2026-99-99", ""),
        ({}, "", "later"),
        ({"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "6m"}, "", ""),
        ({"x-ratelimit-reset-requests": "whenever"}, "", ""),
        ({"x-ratelimit-limit-requests": "60"}, "", ""),
    ],
)
def test_nonsense_and_the_past_are_no_wait(headers, message, delay):
    assert named_wait(headers, message=message, delay=delay, now=NOW) is None


def test_the_precise_form_wins_over_the_rough_one():
    headers = {"retry-after-ms": "200", "retry-after": "1", "x-ratelimit-reset-tokens": "9s"}
    assert named_wait(headers, message="try again in 5s", now=NOW) == pytest.approx(0.2)


def test_of_several_spent_limits_the_last_to_be_free_counts():
    headers = {
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "2s",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "1m",
    }
    assert named_wait(headers, now=NOW) == 60.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1h2m3s", 3723.0), ("2 days", 172_800.0), ("20MS", 0.02), ("", None), ("12", None)],
)
def test_a_duration_reads_as_seconds(text, seconds):
    assert read_duration(text) == seconds


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_whatever_a_service_writes_the_answer_is_a_positive_number_or_none(header, message, delay):
    headers = {"retry-after": header, "retry-after-ms": header, "x-ratelimit-reset": header}
    wait = named_wait(headers, message=message, delay=delay, now=NOW)
    assert wait is None or wait > 0
