"""What must not get out is taken out of every text on its way to a person or a machine.

report, event, alert, log line, problem --redact()--> the same text, *** for each secret

Nothing of ours writes a secret into a text; this is the second lock on the same door, for
what a driver, a vendor or a user's own exception may say one day.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType
from typing import Final, TypeAlias
from urllib.parse import quote

from ..resilience import BreakerStats, CheckStats, Holder, Report

__all__ = ["Redact", "redact", "redacted", "redacted_value", "redacting"]

Redact: TypeAlias = Callable[[str], str]

_MASK: Final = "***"
#: Shorter ones, and plain words, would blot out half of what is said.
_SHORTEST: Final = 8
#: The same short texts are looked at every second.
_REMEMBERED: Final = 1000
_SHORT: Final = 200

#: Plain words are no secrets, as :func:`_is_telling` has it.
_PLAIN: Final = r"(?! (?-i:[A-Z]?[a-z]+) [.,:;!?)]* (?:\s|$) )"
_NAMED: Final = r"""(?: (?:api|access|account|encryption|private|secret|signing) [_-]? key
    | passw(?:or)?d | passphrase | pwd | [_-]pass | secret | token )"""
_BECOMES: Final = r"""(?: \\* ["'] )? \s* (?: [=:] | %3[ad] ) \s*"""
_QUOTED: Final = r"""\\* (?: "[^"]*" | '[^']*' )"""

#: What keeps its first group and loses the rest. A text may be of any length and by anybody, so
#: no search may begin again within what another one has read: each opens with what it can't read.
_SHAPES: Final = re.compile(
    rf"""
      ( :// [^\s:/@]* : )                                             # the password in an address
      (?: [^\s/]+ | (?!\d+/) (?: (?!://) [^\s"'] )+ ) (?=@)           # some don't quote its slashes
    | ( :// ) (?=[^\s:/@]*\d) [^\s:/@]{{12,}} (?=@)                   # a key in place of a user
    | ( \b (?:bearer|basic) \s+ ) {_PLAIN} [a-z0-9._~+/=-]{{6,}}      # what proves who one is
    | ( authorization {_BECOMES} ) (?: {_QUOTED}
        | (?: (?:bearer|basic|token) \s+ | [a-z-]+ \s+ {_PLAIN} )? [^\s&,;"']+ )
    | ( cookie {_BECOMES} ) (?: {_QUOTED}
        | [^\s&,;="']+ = [^\s;"']* (?: ; \s* [^\s;="']+ = [^\s;"']* )* | [^\s&,;"']+ )
    | ( {_NAMED} {_BECOMES} )                                         # name=value, name: value
      (?: {_QUOTED} | (?: (?:bearer|basic) \s+ )? [^\s&,;"']+ )
    | ( \b (?:password|secret|token|api[ ]key) \s+ is \s+ ) (?=\S*\d) \S{{8,}}
    | ( [?&] (?:key|sig|x-amz-signature) = ) [^\s&"']+               # ?key=... of an address
    | ( \b hooks\.slack\.com/[a-z]+/ | \b api\.telegram\.org/bot  # what is secret as a whole
        | \b discord(?:app)?\.com/api/webhooks/ ) [^\s?"']+
    | ( (?<![\w-]) ) (?:                                             # keys known by their look
          (?:sk|pplx|gsk|xai|hf|ghp|gho|ghs|github_pat|glpat|xox[abps]) [-_] [\w-]{{12,}}
        | (?-i: [pr]k [-_] (?=[\w-]*[A-Z0-9]) ) [\w-]{{12,}}          # pk_users is a primary key
        | AIza [\w-]{{20,}} | AKIA [A-Z0-9]{{12,}} | eyJ [\w-]+ \. [\w-]+ (?: \. [\w-]* )?
      )
    """,
    re.VERBOSE | re.IGNORECASE,
)


def redacting(secrets: Iterable[str] = ()) -> Redact:
    """A function that masks *secrets* and all that looks like a key, a password or a token.

    The secrets are found as they are, and as an address has them. It leaves the rest as it is,
    but for half characters (a file's name may hold some), which no UTF-8 can say: a ? for each.
    """
    known = {form for secret in secrets for form in (secret, quote(secret, safe=""))}
    longest_first = sorted(filter(_is_telling, known), key=len, reverse=True)
    exactly = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def mask(text: str) -> str:
        if not text.isascii():
            text = text.encode("utf-8", "replace").decode()
        if exactly is not None:
            text = exactly.sub(_MASK, text)
        return _SHAPES.sub(_masked, text)

    remembered = lru_cache(_REMEMBERED)(mask)

    def redact(text: str) -> str:
        """*text* with ``***`` for each secret and each thing that looks like one."""
        return remembered(text) if len(text) <= _SHORT else mask(text)

    return redact


def _is_telling(secret: str) -> bool:
    return len(secret) >= _SHORTEST and not (secret.isalpha() and secret.islower())


def _masked(found: re.Match[str]) -> str:
    return f"{found[found.lastindex or 0]}{_MASK}"


#: Masks what looks like a key, a password or a token.
redact: Final[Redact] = redacting()


def redacted(report: Report, redact: Redact = redact) -> Report:
    """*report* with its texts redacted; the same object if there was nothing to mask."""
    if all(redact(text) == text for text in _texts(report)):
        return report
    return replace(
        report,
        cause=_safe(report.cause, redact),
        breaker=_breaker(report.breaker, redact),
        check=_check(report.check, redact),
        details=_details(report.details, redact),
    )


def redacted_value(value: object, redact: Redact = redact) -> object:
    """*value* with each text in it redacted, in the shapes of JSON: a tuple becomes a list."""
    match value:
        case str():
            return redact(value)
        case dict():
            return {name: redacted_value(each, redact) for name, each in value.items()}
        case list() | tuple():
            return [redacted_value(each, redact) for each in value]
    return value


def _texts(report: Report) -> Iterator[str]:
    if report.cause:
        yield report.cause
    if report.breaker and report.breaker.cause:
        yield report.breaker.cause
    if report.check and report.check.error:
        yield report.check.error
    for value in report.details.values():
        yield from _words(value)


def _words(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Holder(task, where):
            yield task
            yield where
        case tuple():
            for each in value:
                yield from _words(each)


def _safe(text: str | None, redact: Redact) -> str | None:
    return None if text is None else redact(text)


def _breaker(stats: BreakerStats | None, redact: Redact) -> BreakerStats | None:
    return None if stats is None else replace(stats, cause=_safe(stats.cause, redact))


def _check(stats: CheckStats | None, redact: Redact) -> CheckStats | None:
    return None if stats is None else replace(stats, error=_safe(stats.error, redact))


def _details(details: Mapping[str, object], redact: Redact) -> Mapping[str, object]:
    return MappingProxyType({name: _detail(value, redact) for name, value in details.items()})


def _detail(value: object, redact: Redact) -> object:
    match value:
        case str():
            return redact(value)
        case Holder(task, where):
            return replace(value, task=redact(task), where=redact(where))
        case tuple():
            return tuple(_detail(each, redact) for each in value)
    return value
