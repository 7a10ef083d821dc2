"""A secret gets through no text, and a text without one gets through unchanged."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koo.monitoring import redact, redacted, redacted_value, redacting
from koo.resilience import CheckStats, Holder

CANARY = "c4n4ry-Xy7"
LEAKS = {
    "the password in an address": f"postgresql://koo:{CANARY}@db.example.com/koo refused",
    "a bearer token": f"Authorization: Bearer {CANARY}.tail",
    "a basic header": f"sent Basic {CANARY}==",
    "a key in a query": f"GET https://api.example.com/v1/models?key={CANARY}&alt=json",
    "an api key by name": f'{{"x-api-key": "{CANARY}"}}',
    "a password by name": f"password={CANARY}; host=db",
    "a variable of the environment": f"ANTHROPIC_API_KEY={CANARY}",
    "a quoted secret with spaces": f"secret = 'a {CANARY} b'",
    "a key of a known shape": f"Incorrect API key provided: sk-{CANARY}0123456789ab.",
    "another known shape": f"AIza{CANARY}0123456789abcdefghij is not valid",
    "a signed token": f"jwt eyJhbGciOi.{CANARY.replace('-', '')}.c2ln",
    "a password with a slash": f"postgresql://koo:pa/{CANARY}@db/koo",
    "a password with an at sign": f"postgresql://koo:p@{CANARY}@db/koo",
    "a password behind a port": f"http://api:8000/x postgresql://koo:{CANARY}@db/koo",
    "a key in place of a user": f"https://{CANARY}0123@sentry.example.com/1",
    "a name in camel case": f'{{"accessToken": "{CANARY}", "clientSecret": "{CANARY}"}}',
    "a name in one word": f"PGPASSWORD={CANARY}",
    "a secret key": f"AWS_SECRET_ACCESS_KEY={CANARY}, secret_key={CANARY}",
    "a private key": f"private_key: {CANARY}",
    "a header of another scheme": f"Authorization: Token {CANARY}; authorization: ApiKey {CANARY}",
    "the second cookie": f"Cookie: theme=dark; koo_8000={CANARY}; a=b",
    "a cookie that is set": f"Set-Cookie: koo_8000={CANARY}; HttpOnly",
    "JSON within JSON": f'{{\\"password\\": \\"{CANARY}\\"}}',
    "a password in a sentence": f"the password is {CANARY}",
    "a form": f"token%3D{CANARY}",
    "a signature of an address": f"GET https://blobs.example.com/a?sv=1&sig={CANARY}",
    "an address that is a secret": f"https://hooks.slack.com/services/T000/B000/{CANARY}",
    "another such address": f"https://api.telegram.org/bot1234:{CANARY}/sendMessage",
    "a third": f"POST https://discord.com/api/webhooks/1234/{CANARY}",
}


@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS)
def test_what_looks_like_a_secret_is_masked(leak):
    shown = redact(leak)
    assert CANARY not in shown
    assert CANARY.replace("-", "") not in shown
    assert "***" in shown


def test_what_stands_around_a_secret_stays():
    shown = redact("postgresql://koo:pw-of-koo@db.example.com/koo refused")
    assert shown == "postgresql://koo:***@db.example.com/koo refused"


@pytest.mark.parametrize(
    "sentence",
    [
        "ai:claude: no API key; set ANTHROPIC_API_KEY",
        "database: circuit open since 14:02; 5 of the last 5 attempts failed; last: timeout",
        "task-1234567890123456 holds it since src/app/risk-assessment-service.py:17",
        "settings changed; KOO_READ_TOKEN, KOO_OPERATE_TOKEN",
        "the key is refused (HTTP 401, authentication_error); check ANTHROPIC_API_KEY",
        "12 of 60 requests per minute; 3 tokens: none",
        "postgresql+asyncpg://db.example.com:5432/koo",
        "postgresql://koo@db.example.com/koo: password is required",
        "Basic authentication failed (bearer tokens, too).",
        'duplicate key value violates unique constraint "pk_user_accounts"',
        "GET http://localhost:8000/@scope/package: primary_key=id, max_tokens=100",
        "the token is expired; its secretary: nobody",
        "hooks.slack.com refused the connection; discord.com/api did not",
    ],
)
def test_a_sentence_of_ours_stays_as_it_is(sentence):
    assert redact(sentence) == sentence


def test_a_known_secret_is_masked_wherever_it_stands_and_as_an_address_has_it():
    known = redacting(["s3cret/with@signs"])
    assert known("xs3cret/with@signsx") == "x***x"
    assert known("http://u:s3cret%2Fwith%40signs@h") == "http://u:***@h"


def test_the_longer_of_two_secrets_is_masked_whole():
    assert redacting(["secret-one", "secret-one-and-two"])("secret-one-and-two") == "***"


@pytest.mark.parametrize("word", ["database", "x7", ""])
def test_a_plain_or_short_word_masks_nothing(word):
    assert redacting([word])("database: x7 is well") == "database: x7 is well"


@given(st.text(), st.text())
def test_a_known_secret_never_survives(before, after):
    assert "Zq9-canary" not in redacting(["Zq9-canary"])(f"{before}Zq9-canary{after}")


@given(st.text())
def test_masking_twice_is_masking_once(text):
    assert redact(redact(text)) == redact(text)


def test_every_text_of_a_report_is_redacted(made):
    leak = f"password={CANARY}"
    report = made.database(
        cause=leak,
        breaker=made.breaker(cause=leak),
        check=CheckStats(False, 1.0, None, leak),
        details={
            "holders": (Holder(leak, "a.py:1", 2.0), Holder("t", leak, 1.0)),
            "note": leak,
            "fresh": True,
        },
    )
    shown = redacted(report)
    assert CANARY in repr(report)
    assert CANARY not in repr(shown)
    assert shown.details["fresh"] is True
    assert shown.readings == report.readings


@pytest.mark.parametrize("where", ["cause", "holders", "note"])
def test_one_leak_is_enough(made, where):
    leak = f"password={CANARY}"
    details = {"holders": (Holder(leak, "a.py:1", 2.0),), "note": leak}
    more = {"cause": leak} if where == "cause" else {"details": {where: details[where]}}
    report = made.database(**{"check": None, "breaker": None} | more)
    assert CANARY not in repr(redacted(report))


def test_the_cause_of_a_circuit_is_enough_too(made):
    report = made.database(breaker=made.breaker(cause=f"pwd={CANARY}"), check=None)
    assert CANARY not in repr(redacted(report))
    check = CheckStats(False, 1.0, None, f"pwd={CANARY}")
    assert CANARY not in repr(redacted(made.database(breaker=None, check=check)))


def test_a_long_text_is_masked_like_a_short_one():
    assert redact(f"{'x ' * 500}pwd={CANARY}").endswith("pwd=***")


def test_a_report_without_secrets_is_not_copied(made):
    report = made.database()
    assert redacted(report) is report
    assert redacted(dataclasses.replace(report, check=None, breaker=None)).breaker is None


def test_half_characters_become_question_marks_because_no_utf_8_can_say_them():
    assert redact("\udce9t\udce9.csv, \ud800, été, 日本") == "?t?.csv, ?, été, 日本"


def test_each_text_of_a_value_is_redacted_however_deep_it_lies():
    hidden = redacting(["one-of-theirs"])
    value = {"list": ["one-of-theirs", 1], "tuple": ({"deep": "is one-of-theirs"},), "none": None}
    shown = {"list": ["***", 1], "tuple": [{"deep": "is ***"}], "none": None}
    assert redacted_value(value, hidden) == shown
