"""From the vectors' words to koo's values."""

import json
from pathlib import Path

from koo.resilience import (
    Abandoned,
    Advice,
    Ask,
    Deadline,
    Failure,
    RetryClass,
    Spent,
    Success,
)

VECTORS = Path(__file__).parents[2] / "vectors"

WORDS = {
    "success": {"kind": "success"},
    "failure": {"kind": "failure", "retryable": True, "trips": True},
    "client_error": {"kind": "failure", "retryable": False, "trips": False},
    "conflict": {"kind": "failure", "retryable": True, "trips": False, "class": "conflict"},
    "throttled": {"kind": "failure", "retryable": True, "trips": False, "class": "throttled"},
    "abandoned": {"kind": "abandoned"},
}


def cases_of(name):
    """The cases of one file, by name."""
    document = json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))
    assert set(document) == {"about", "cases"}
    return document["cases"]


def every_step():
    """Every step of every file."""
    for path in sorted(VECTORS.glob("*.json")):
        for case in cases_of(path.stem):
            yield from case.get("steps", [])


def outcome_of(word):
    """The outcome that a word or an object stands for."""
    told = dict(WORDS[word] if isinstance(word, str) else word)
    kind = told.pop("kind", "failure")
    more = {
        "spent": Spent(**told.pop("spent")) if "spent" in told else None,
        "advice": Advice(**told.pop("advice")) if "advice" in told else None,
    }
    if kind == "failure":
        retry_class = RetryClass[told.pop("class", "transient").upper()]
        told = {"retryable": True, "trips": True, **told}
        return Failure(retry_class=retry_class, **told, **more)
    assert not told
    return {"success": Success, "abandoned": Abandoned}[kind](**more)


def ask_of(step):
    """What a step asks for."""
    told = dict(step.get("ask", {}))
    deadline = told.pop("deadline", None)
    return Ask(**told, deadline=None if deadline is None else Deadline(deadline))
