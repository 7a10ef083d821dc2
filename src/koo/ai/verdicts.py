"""What a failure means: one table per vendor, then its status, decide. Total.

    status, type, code, reasons, message --first rule that fits--> Verdict: class + sentence
                                         --none------------------> the status alone decides

    inside a 200, whole or streamed: the status that its code or its type stands for

Money errors come dressed as 429 or 400, overload as 503, 529 or 498, a bad key as
400: only all parts together tell. The vendor's own message is read but never
repeated, because it may quote the prompt or the key; for the same reason what
shuts a service is looked for in its first sentence alone, before anything that it
quotes, or a prompt could shut the service. Since a prompt may be made to cost time,
of a message only its beginning is read, and no pattern has a gap without a bound.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from ..errors import (
    AccessDeniedError,
    ApiKeyError,
    ContentRefusedError,
    ContextTooLongError,
    DeadlineExceeded,
    ExternalServiceError,
    InvalidRequestError,
    QuotaExceededError,
    RateLimitError,
    Rejected,
    ServiceRejected,
    ServiceTimeoutError,
    ServiceUnavailableError,
)
from ..resilience import Advice, Failure, RetryClass, Spent, Success
from .pacing import PacedSpent, Urge
from .provider import NOTHING, Completion, Heard, Usage

__all__ = [
    "Phase",
    "Rule",
    "Surface",
    "Verdict",
    "appraise",
    "as_service_error",
    "billed",
    "classify",
    "judge",
    "spent",
]

_ERROR_STATUS: Final = re.compile(r"[45]\d\d")
#: Vendors need no more for what is theirs; what follows is quoted.
_LONGEST_MESSAGE: Final = 4096
#: Where somebody else may begin to speak. Vendors put their own names between backticks.
_QUOTES: Final = re.compile(
    r"(?<!\w)['\"]|[\[{“«]|\b(prompt|input|message|content|text|said|sent|asked)( was| is)?:\s",
    re.IGNORECASE,
)
#: What gateways put before a vendor's sentence.
_FRAME: Final = re.compile(r"^(\w*error: )+", re.IGNORECASE)
_SENTENCE_END: Final = re.compile(r"[.:;!?]\s|\n")


class Phase(Enum):
    """How far the answer had come when the error was found."""

    WHOLE = "its status, or its whole body"
    STREAM = "an event of a stream that had begun"


@dataclass(frozen=True, slots=True)
class Surface:
    """What an error answer looks like from outside, as far as it says so.

    *reasons* are the words of its details (``API_KEY_INVALID``, quota names);
    *readable* is whether its body was JSON, so that the vendor itself answered
    and not something on the way. Of a long *message* only its beginning is kept.
    """

    status: int
    type: str = ""
    code: str = ""
    message: str = ""
    reasons: tuple[str, ...] = ()
    readable: bool = True
    phase: Phase = Phase.WHOLE

    def __post_init__(self) -> None:
        """Leave out what a message may quote at length."""
        object.__setattr__(self, "message", self.message[:_LONGEST_MESSAGE])

    @property
    def words(self) -> tuple[str, ...]:
        """What a rule may name."""
        return (self.type, self.code, *self.reasons)

    @property
    def own_words(self) -> str:
        """The message up to what it quotes."""
        return _QUOTES.split(self.message, maxsplit=1)[0]

    @property
    def opening(self) -> str:
        """The first sentence of its own words."""
        return _SENTENCE_END.split(_FRAME.sub("", self.own_words), maxsplit=1)[0]

    @property
    def is_good(self) -> bool:
        """Whether the status promised an answer."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


@dataclass(frozen=True, slots=True)
class Verdict:
    """The error class, what happened, and what to do, with ``{key}`` for the key's variable.

    *waits*: a wait that the answer names is true and applies to this error; *windows*: so
    are the resets of the rate limits, which say nothing of money. *urge*: what it asks of
    the calls after it.
    """

    error: type[ExternalServiceError]
    what: str
    cure: str
    waits: bool = True
    windows: bool = True
    urge: Urge = Urge.NONE


@dataclass(frozen=True, slots=True)
class Rule:
    """A verdict and the surfaces it is for: every part that is given must fit."""

    verdict: Verdict
    status: frozenset[int] = frozenset()
    words: frozenset[str] = frozenset()
    message: re.Pattern[str] | None = None
    opening: re.Pattern[str] | None = None

    @classmethod
    def on(
        cls, verdict: Verdict, *status: int, words: str = "", says: str = "", opens: str = ""
    ) -> Rule:
        """The rule for any *status*, any of *words* as type, code or reason, and a message.

        What a message *says* may be anywhere in it, even in a prompt that it quotes; what it
        *opens* with is the vendor's own. Only that may shut a service.
        """
        return cls(
            verdict,
            frozenset(status),
            frozenset(words.split()),
            _pattern(says),
            _pattern(opens),
        )

    def fits(self, surface: Surface) -> bool:
        """Whether *surface* is one of those it is for."""
        return (
            (not self.status or surface.status in self.status)
            and (not self.words or not self.words.isdisjoint(surface.words))
            and (self.message is None or self.message.search(surface.message) is not None)
            and (self.opening is None or self.opening.search(surface.opening) is not None)
        )


def _pattern(words: str) -> re.Pattern[str] | None:
    return re.compile(words, re.IGNORECASE) if words else None


BAD_KEY: Final = Verdict(
    ApiKeyError, "the API key was refused", "correct {key}, then reset the service", waits=False
)
NO_ACCESS: Final = Verdict(
    AccessDeniedError,
    "the account may not use this model, region or feature",
    "ask the vendor for access or choose another model, then reset the service",
    waits=False,
)
NO_MONEY: Final = Verdict(
    QuotaExceededError,
    "the account's money or spend limit is used up",
    "pay or raise the limit at the vendor, then reset the service",
    windows=False,
)
DAY_SPENT: Final = Verdict(
    QuotaExceededError,
    "the account's quota for the day is used up",
    "raise the quota and reset the service, or wait for the vendor's next day",
)
TOO_FAST: Final = Verdict(RateLimitError, "too many requests", "send fewer, or wait")
GREW_TOO_FAST: Final = Verdict(
    RateLimitError, "the traffic grew too fast", "let it grow slowly", urge=Urge.GROW_SLOWLY
)
OVERLOADED: Final = Verdict(
    ServiceUnavailableError, "the service is overloaded", "try again later", urge=Urge.EASE
)
BROKEN: Final = Verdict(ServiceUnavailableError, "the service failed", "try again later")
SOMETHING_BETWEEN: Final = Verdict(
    ServiceUnavailableError,
    "something on the way refused the request",
    "look at the proxy, or try again later",
)
TIMED_OUT: Final = Verdict(
    ServiceTimeoutError, "the service gave up waiting for its own answer", "try again later"
)
TOO_LONG: Final = Verdict(
    ContextTooLongError,
    "the prompt does not fit",
    "shorten it, ask for fewer tokens, or use a model with more room",
    waits=False,
)
REFUSED: Final = Verdict(
    ContentRefusedError, "the content was refused", "change the prompt", waits=False
)
NO_MODEL: Final = Verdict(
    InvalidRequestError,
    "no such model or address",
    "correct the model's name or the base URL",
    waits=False,
)
BAD_REQUEST: Final = Verdict(
    InvalidRequestError, "the service does not accept the request", "correct it", waits=False
)
PROXY: Final = Verdict(
    InvalidRequestError,
    "the proxy wants a name and a password",
    "correct the proxy's address",
    waits=False,
)
REDIRECTED: Final = Verdict(
    InvalidRequestError,
    "the address answers with a redirect",
    "correct the base URL; a key is never sent on",
    waits=False,
)
UNREADABLE: Final = Verdict(
    ServiceUnavailableError, "the answer can't be read", "try again later", waits=False
)

_BY_STATUS: Final[Mapping[int, Verdict]] = MappingProxyType(
    {
        401: BAD_KEY,
        402: NO_MONEY,
        403: NO_ACCESS,
        404: NO_MODEL,
        405: NO_MODEL,
        407: PROXY,
        408: TIMED_OUT,
        409: BROKEN,
        410: NO_MODEL,
        413: TOO_LONG,
        424: BROKEN,
        425: BROKEN,
        429: TOO_FAST,
        498: OVERLOADED,
        499: BROKEN,
        503: OVERLOADED,
        504: TIMED_OUT,
        # Of machines in front of the vendor: no connection, or no answer, in time.
        522: TIMED_OUT,
        524: TIMED_OUT,
        529: OVERLOADED,
    }
)
_BY_HUNDRED: Final[Mapping[int, Verdict]] = MappingProxyType(
    {3: REDIRECTED, 4: BAD_REQUEST, 5: BROKEN}
)

#: The status that a word stands for, when the real one was spent on a 200.
_STATUS_OF: Final[Mapping[str, int]] = MappingProxyType(
    {
        word: status
        for status, words in {
            400: "invalid_request_error BadRequestError INVALID_ARGUMENT FAILED_PRECONDITION",
            401: "authentication_error AuthenticationError UNAUTHENTICATED invalid_api_key",
            402: "billing_error payment_required",
            403: "permission_error PermissionDeniedError PERMISSION_DENIED",
            404: "not_found_error NotFoundError NOT_FOUND model_not_found",
            413: "request_too_large",
            429: "rate_limit_error requests tokens insufficient_quota rate_limit_exceeded"
            " RESOURCE_EXHAUSTED quota_exceeded",
            500: "api_error server_error InternalServerError INTERNAL",
            503: "service_unavailable_error UNAVAILABLE",
            504: "timeout_error DEADLINE_EXCEEDED",
            529: "overloaded_error",
        }.items()
        for word in words.split()
    }
)


def judge(surface: Surface, rules: tuple[Rule, ...]) -> Verdict:
    """The verdict on *surface*: that of the first rule that fits, else that of its status."""
    surface = _with_own_status(surface)
    if surface.status == HTTPStatus.FORBIDDEN and not surface.readable:
        return SOMETHING_BETWEEN
    for rule in rules:
        if rule.fits(surface):
            return rule.verdict
    verdict = _BY_STATUS.get(surface.status) or _BY_HUNDRED.get(surface.status // 100)
    return verdict or (BROKEN if any((*surface.words, surface.message)) else UNREADABLE)


def billed(surface: Surface, verdict: Verdict) -> Usage | None:
    """What the vendor bills for it: nothing for a refusal; None, unknown, if it had begun."""
    if surface.phase is Phase.STREAM or (surface.is_good and verdict.error.trips):
        return None
    return NOTHING


def classify(error: Exception) -> Failure:
    """What *error* means to a policy; the classifier of every AI service."""
    match error:
        case RateLimitError(retry_after=float(wait)) if not wait:
            # Another key is good at once; the one that is to wait is remembered.
            retry_class = RetryClass.RESOLVED
        case RateLimitError():
            retry_class = RetryClass.THROTTLED
        case ApiKeyError() | AccessDeniedError() | QuotaExceededError():
            # Worth another attempt only with another key, and that says nothing about load.
            retry_class = RetryClass.RESOLVED if error.retryable else RetryClass.TRANSIENT
        case ExternalServiceError():
            retry_class = RetryClass.TRANSIENT
        case TimeoutError():
            return Failure(retryable=True, trips=True, cause="no answer in time")
        case _:
            return Failure(retryable=False, trips=True, cause=type(error).__name__)
    return Failure(
        error.retryable,
        error.trips,
        error.retry_after,
        retry_class,
        spent=spent(error.usage),
        advice=_advice(error.told),
        cause=error.detail,
    )


def appraise(value: object) -> Success:
    """What a good answer has spent; the appraiser of every AI service."""
    if not isinstance(value, Completion):
        return Success()
    return Success(spent(value.usage), value.told)


def spent(usage: object) -> Spent | None:
    """What a priced *usage* is to a gate; None, unknown, if it is none."""
    if not isinstance(usage, Usage) or usage.nanousd is None:
        return None
    return PacedSpent(1, usage.tokens, usage.nanousd, usage.output_tokens)


def _advice(told: object) -> Advice | None:
    return told if isinstance(told, Advice) else None


def as_service_error(
    service: str, error: Exception, heard: Heard | None = None
) -> ExternalServiceError:
    """What the caller of *service* gets for *error*; *heard* is what had come of a stream."""
    failure = _translated(service, error, heard)
    if heard is not None:
        failure.partial, failure.at_least = heard.text, heard.at_least
    return failure


def _translated(service: str, error: Exception, heard: Heard | None) -> ExternalServiceError:
    match error:
        case ExternalServiceError():
            return error
        case Rejected():
            detail = str(error).removeprefix(f"{error.gate}: ")
            return ServiceRejected(service, detail, retry_after=error.retry_after, usage=NOTHING)
        case DeadlineExceeded() if heard and heard.pieces:
            detail = "no more of the answer came in time; allow more, or use the part that came"
            return ServiceTimeoutError(service, detail)
        case DeadlineExceeded():
            return ServiceTimeoutError(service, str(error).removeprefix(f"ai:{service}: "))
        case _:
            what = type(error).__name__
            return ExternalServiceError(service, f"unexpected {what}; its cause says more")


def _with_own_status(surface: Surface) -> Surface:
    """An error inside a 200 as if it had come with the status that it names itself."""
    if not surface.is_good:
        return surface
    if _ERROR_STATUS.fullmatch(surface.code):
        return replace(surface, status=int(surface.code))
    known = (_STATUS_OF[word] for word in surface.words if word in _STATUS_OF)
    return replace(surface, status=next(known, surface.status))
