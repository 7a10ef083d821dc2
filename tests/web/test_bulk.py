"""A large body is one of long texts and pictures: it must not hold the loop for seconds."""

import json
from base64 import b64encode
from time import process_time

import pytest

from koo.web.problems import Problem
from koo.web.routes.calling.bulk import check_bulk

from .test_calls import QUERY, STREAM, ask, door

__all__ = ["door"]

MANY = 10**5
MESSAGES = [{"role": "user", "content": "x" * 20}] * MANY


def test_a_picture_of_ten_megabytes_passes(door):
    stage, cat = door("x", daily_budget_nanousd=10**18), b"\x89PNG\r\n\x1a\n" + bytes(10 * 2**20)
    picture = {"type": "image", "data": b64encode(cat).decode()}
    answer = ask(stage, QUERY, prompt=[{"role": "user", "content": [picture]}])
    assert answer.status == 200
    assert stage.providers[0].requests[0].question.prompt.images[0].source == cat


@pytest.mark.parametrize("path", [QUERY, STREAM])
@pytest.mark.parametrize(
    "much", [{"prompt": MESSAGES}, {"schema": {"enum": [1] * 10**6}}, {"fallback": [""] * 10**6}]
)
def test_a_million_small_values_are_413(door, path, much):
    stage = door("x")
    answer = ask(stage, path, **much)
    assert (answer.status, answer.json["code"]) == (413, "body_too_large")
    assert "too many values" in answer.json["detail"]
    assert stage.providers[0].requests == []


LONG = 'a\n"\\' * 10**6
STRINGS = [
    json.dumps({"prompt": LONG}),
    json.dumps({"prompt": LONG, "schema": {"x": [1] * 1000}}),
    '"' + '\\"' * 10**6,
    '"' + '\\"' * 10**6 + "\\",
    '"' + "\\\\" * 10**6 + '"',
]


@pytest.mark.parametrize("text", STRINGS)
def test_what_is_in_strings_may_be_long_and_takes_the_time_of_a_look(text):
    began = process_time()
    check_bulk(text.encode())
    assert process_time() - began < 5.0


@pytest.mark.parametrize("text", ['""' + "," * 2**20, "[" * 2**20 + '"', '"",' * 10**6])
def test_what_is_between_them_may_not(text):
    with pytest.raises(Problem, match="413"):
        check_bulk(text.encode())


def test_a_small_body_is_not_looked_into():
    check_bulk(b"[" * 2**20)
