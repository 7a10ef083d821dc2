"""Exceptions are read by their shape, estimates from what is asked."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koo.ai import Estimate
from koo.ai.sdk.exceptions import Answered, Broken, read_exception
from koo.errors import ServiceTimeoutError

#: The packages whose exceptions speak of a service, by its module here.
SDKS = {"openai": "openai", "anthropic": "anthropic", "google": "google.genai"}


def read(error):
    """What *error* says of the service whose SDK has raised it."""
    return read_exception(error, SDKS.get(type(error).__module__.partition(".")[0], "openai"))


def error_of(module, *names, **attributes):
    """An exception as if *module* had defined it, below as many classes as there are names."""
    kind = Exception
    for name in reversed(names):
        kind = type(name, (kind,), {"__module__": module, **attributes})
    return kind("what the vendor said")


def test_the_body_of_openai_is_put_back_into_its_frame():
    error = error_of("openai", "APIError", body={"code": "x"}, status_code=429)
    assert read(error) == Answered(429, {"error": {"code": "x"}})


def test_headers_are_read_in_lower_case():
    response = type("Response", (), {"headers": {"Retry-After": "3"}, "status_code": 503})
    error = error_of("anthropic", "APIStatusError", response=response, status_code=503)
    assert read(error) == Answered(503, None, {"retry-after": "3"})


def test_a_response_without_headers_is_read_all_the_same():
    error = error_of("google.genai.errors", "ClientError", code=400, details={"error": {}})
    assert read(error) == Answered(400, {"error": {}})


def test_the_status_of_the_response_says_whether_a_stream_had_begun():
    response = type("Response", (), {"status_code": 200})
    error = error_of("google.genai", "ServerError", response=response, code=503)
    assert read(error) == Answered(200, None)


def test_an_error_event_without_a_status_came_inside_a_stream():
    body = {"error": {"type": "server_error"}}
    assert read(error_of("openai", "APIError", body=body)) == Answered(200, body)


@pytest.mark.parametrize("module", ["openai", "anthropic", "google.genai", "mine"])
def test_an_error_without_status_or_body_says_nothing(module):
    assert read(error_of(module, "Mistake")) is None


@pytest.mark.parametrize("error", [ValueError("x"), ServiceTimeoutError("other", "late")])
def test_what_is_not_an_sdks_says_nothing(error):
    assert read(error) is None


@pytest.mark.parametrize(
    ("module", "names", "in_time"),
    [
        ("httpx2", ("ReadTimeout", "TimeoutException", "TransportError"), False),
        ("httpx", ("RemoteProtocolError", "TransportError"), True),
        ("aiohttp.client_exceptions", ("ServerDisconnectedError", "ClientError"), True),
        ("openai", ("APITimeoutError", "APIConnectionError", "APIError"), False),
        ("anthropic", ("APIConnectionError", "APIError"), True),
    ],
)
def test_a_transport_that_fails_may_have_sent(module, names, in_time):
    assert read(error_of(module, *names)) == Broken(in_time, was_sent=True)


def test_who_could_not_connect_has_sent_nothing():
    error = error_of("openai", "APIConnectionError")
    error.__cause__ = error_of("httpx2", "ConnectError", "TransportError")
    assert read(error) == Broken(in_time=True, was_sent=False)


def test_a_chain_of_causes_that_never_ends_is_given_up():
    first, second = error_of("openai", "APIConnectionError"), ValueError()
    first.__cause__, second.__cause__ = second, first
    assert read(first) == Broken(in_time=True, was_sent=True)


@given(st.text(), st.integers(1, 10**6))
def test_an_estimate_counts_every_byte_of_what_is_asked(text, max_tokens):
    asked = {"model": "m", "messages": [{"role": "user", "content": text}]}
    estimate = Estimate.of(asked, max_tokens=max_tokens)
    assert estimate.input_tokens >= len(text.encode(errors="surrogatepass"))
    assert estimate.input_tokens == len(
        json.dumps(asked, ensure_ascii=False).encode(errors="surrogatepass")
    )
    assert (estimate.output_tokens, estimate.model) == (max_tokens, "m")


def test_an_estimate_counts_what_a_vendor_writes_around_tools():
    bare, tooled = {"tools": []}, {"tools": [{"name": "f"}]}
    most = [Estimate.of(asked, max_tokens=1).input_tokens for asked in (bare, tooled)]
    assert most[1] - most[0] == len('{"name": "f"}') + 2_000


def test_an_estimate_of_things_that_are_no_json_counts_how_they_look():
    image = b"\xff" * 100
    assert Estimate.of({"contents": image}, max_tokens=1).input_tokens > 4 * len(image)
    assert Estimate.of({"model": None}, max_tokens=1).model is None


@pytest.mark.parametrize(("taken", "given"), [(-1, 1), (0, 0), (1, -5)])
def test_an_estimate_of_less_than_nothing_is_refused(taken, given):
    with pytest.raises(ValueError, match="say the most"):
        Estimate(input_tokens=taken, output_tokens=given)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("openai", "AuthenticationError"),
        ("openai", "APIConnectionError"),
        ("openai", "APITimeoutError"),
        ("google.api_core.exceptions", "Unauthorized"),
        ("google.genai.errors", "ClientError"),
        ("anthropic_of_somebody", "AuthenticationError"),
    ],
)
def test_another_vendors_sdk_says_nothing(module, name):
    error = error_of(module, name, status_code=401, code=401)
    assert read_exception(error, "anthropic") is None
