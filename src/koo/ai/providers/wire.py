"""One vendor's words: how it is asked and how its answers read. No I/O, no state.

    Question --path, document--> [HTTP] --document--> read() -> Answer
                                      --error-----> surface() + rules -> judge
                            [stream] --document--> hear() -> text, and a Hearing that grows
                                     --whole()---> the document of a whole answer --parts()-->

A document is what JSON can hold; numbers with a point are Decimal, because some are money.
"""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from typing import ClassVar, Final, Protocol, TypeAlias

from ...values import quickly_made
from ..asking import Part, Question, Thought, ToolCall
from ..provider import Terms, Usage
from ..verdicts import Rule, Surface
from .growing import Growing

__all__ = [
    "Answer",
    "Document",
    "Hearing",
    "Wire",
    "begun",
    "count_of",
    "counts_in",
    "dig",
    "listed",
    "more_than_text",
    "nanousd_of",
    "number_of",
    "parse",
    "place_at",
    "terms_of",
    "text_at",
    "text_of",
    "usage_of",
]

Document: TypeAlias = Mapping[str, object]

_NANO: Final = 10**9
#: More is no truth but a mistake, which no sum, no report and no file could hold.
_MOST_USD: Final = 10**6
_MOST_COUNT: Final = 10**12
#: What vendors call terms that are no others.
_USUAL: Final = frozenset(
    {"", "default", "standard", "on_demand", "global", "not_available"}
    | {"unspecified", "service_tier_unspecified"}
)
_MORE: Final = (ToolCall, Thought)
# Made once: `json.loads` with an argument makes a decoder for each document.
_decoder: Final = json.JSONDecoder(parse_float=Decimal)
#: What may stand around a document.
_BLANK: Final = " \t\n\r"


@quickly_made
@dataclass(frozen=True, slots=True)
class Answer:
    """What a good answer holds; *refused*: the service would not say it."""

    text: str
    finish: str
    usage: Usage | None
    refused: bool = False
    parts: tuple[Part, ...] = ()

    @property
    def counted(self) -> Usage | None:
        """Its usage; None too if it says something, and nobody has counted that."""
        usage = self.usage
        if usage is None or usage.output_tokens or usage.nanousd is not None:
            return usage
        return None if self.text or self.parts else usage


@dataclass(slots=True)
class Hearing:
    """What a stream has told beside its text.

    *is_whole*: what the vendor ends every whole answer with has come; *is_over*:
    nothing follows any more. *usage* is final, *at_least* what was counted so far,
    *counts* the vendor's own words for it; *body* grows to the document of a whole
    answer. Of its calls *call_pieces* have come.
    """

    finish: str = ""
    refused: bool = False
    usage: Usage | None = None
    at_least: Usage | None = None
    counts: dict[str, object] = field(default_factory=dict)
    body: Growing = field(default_factory=Growing)
    call_pieces: int = 0
    has_begun: bool = False
    is_whole: bool = False
    is_over: bool = False

    def count(self, usage: Usage | None) -> None:
        """Take *usage* as final if the answer is whole, else as a lower bound; None is nothing."""
        if usage is not None:
            self.at_least = usage
            self.usage = usage if self.is_whole else None


class Wire(Protocol):
    """A vendor's wire format."""

    rules: ClassVar[tuple[Rule, ...]]
    #: Why a whole answer may have ended, in small letters; after any other reason it is none.
    endings: ClassVar[frozenset[str]]
    models_path: ClassVar[str | None]

    def headers(self, api_key: str) -> Mapping[str, str]:
        """What every request carries."""
        ...

    def path(self, question: Question) -> str:
        """Where *question* is sent, below the base URL."""
        ...

    def document(self, question: Question) -> Document:
        """The body that asks *question*; CannotCarry if the vendor knows no such thing."""
        ...

    def most_per_image(self, model: str) -> int | None:
        """The most input tokens that a picture can be billed as; None if nobody knows."""
        ...

    def read(self, document: object) -> Answer | None:
        """The answer in a body; None if it is not one."""
        ...

    def hear(self, hearing: Hearing, document: object) -> str:
        """The text in one event of a stream, maybe none; the rest goes into *hearing*."""
        ...

    def whole(self, hearing: Hearing) -> object:
        """The document as which a stream would have come whole."""
        ...

    def parts(self, document: object) -> Iterable[Part]:
        """What is said in the document of a whole answer, in its order."""
        ...

    def usage(self, usage: object) -> Usage | None:
        """What the vendor's own count says; None if it is not one."""
        ...

    def terms(self, document: object) -> Terms:
        """On which terms the answer in *document* was served; none for the usual ones."""
        ...

    def surface(self, status: int, document: object) -> Surface:
        """What an error's body shows."""
        ...

    def delay(self, document: object) -> str:
        """The wait that an error's body itself names, or nothing."""
        ...

    def models(self, document: object) -> tuple[str, ...]:
        """The names in a list of models."""
        ...


def parse(text: bytes) -> object:
    """The document in *text*; None if it is not JSON."""
    try:
        told = text.removeprefix(BOM_UTF8).decode(errors="surrogatepass").strip(_BLANK)
        document, end = _decoder.raw_decode(told)
    except (ValueError, ArithmeticError, RecursionError):
        return None
    return document if end == len(told) else None


def begun(text: str) -> object:
    """The document with which *text* begins; None if it begins with none."""
    try:
        document, _ = _decoder.raw_decode(text)
    except (ValueError, ArithmeticError, RecursionError):
        return None
    return document


def dig(document: object, *path: str | int) -> object:
    """What lies at *path* inside *document*; None if the way ends earlier."""
    found = document
    for step in path:
        if isinstance(found, dict):
            found = found.get(step)
        elif isinstance(found, list) and isinstance(step, int) and step < len(found):
            found = found[step]
        else:
            return None
    return found


def listed(found: object) -> list[object]:
    """*found* if it is a list, else an empty one."""
    return found if isinstance(found, list) else []


def text_at(document: object, *path: str | int) -> str:
    """The text or whole number at *path*, as text; empty if there is neither."""
    return text_of(dig(document, *path))


def text_of(found: object) -> str:
    """A text or a whole number, as text; empty if *found* is neither."""
    if isinstance(found, str):
        return found
    return str(found) if isinstance(found, int) and not isinstance(found, bool) else ""


def place_at(document: object, otherwise: int) -> int:
    """The ``index`` in *document*, as events of a stream have one."""
    found = dig(document, "index")
    return found if isinstance(found, int) else otherwise


def more_than_text(parts: Iterable[Part]) -> tuple[Part, ...]:
    """*parts* without empty texts; none if they are nothing but texts."""
    kept = [part for part in parts if not isinstance(part, str) or part.strip()]
    for part in kept:
        if isinstance(part, _MORE):
            return tuple(kept)
    return ()


def count_of(found: object) -> int:
    """*found* if it is a count; ValueError if it is none."""
    if isinstance(found, int) and not isinstance(found, bool) and found <= _MOST_COUNT:
        return found
    raise ValueError("a count is not a whole number, or absurdly large")


def number_of(found: object) -> int:
    """*found* if it is a count, 0 if it is nothing; ValueError if it is something else."""
    return 0 if found is None else count_of(found)


def counts_in(details: object, names: Iterable[tuple[str, str]]) -> list[tuple[str, int]]:
    """What *details* count: each of *names* is theirs and that of the price table.

    ValueError if something else than a count is there.
    """
    if not isinstance(details, dict):
        return []
    return [
        (name, count_of(found)) for said, name in names if (found := details.get(said)) is not None
    ]


def terms_of(document: object, names: Mapping[str, str]) -> Terms:
    """What *document* says of each of *names*, which are its and those of the price table."""
    if not isinstance(document, dict):
        return ()
    return tuple(
        [
            (name, word)
            for said, name in names.items()
            if (word := text_of(document.get(said)).lower()) not in _USUAL
        ]
    )


def usage_of(
    taken: int, given: int, *parts: tuple[str, int], nanousd: int | None = None
) -> Usage | None:
    """The usage, without empty parts; None if a part is larger than its whole.

    *nanousd* is what the vendor itself says it costs.
    """
    kept = tuple([part for part in parts if part[1]])
    if kept and not _is_within(dict(kept), taken, given):
        return None
    return Usage(taken, given, kept, nanousd, is_cost_told=nanousd is not None)


def _is_within(parts: Mapping[str, int], taken: int, given: int) -> bool:
    cached = parts.get("cache_read_tokens", 0) + parts.get("cache_write_tokens", 0)
    return cached <= taken and parts.get("output_reasoning_tokens", 0) <= given


def nanousd_of(usd: object) -> int | None:
    """A price in USD from a document as nano-dollars, rounded up; None if it is none."""
    match usd:
        case bool():
            return None
        case int() | Decimal() if 0 <= usd <= _MOST_USD:
            return int((Decimal(usd) * _NANO).to_integral_value(ROUND_CEILING))
        case _:
            return None
