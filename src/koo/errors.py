"""Everything that koo itself raises.

    KooError
    +-- Rejected                         refused before the work began; nothing was sent
    |   +-- CircuitOpen                  a circuit breaker is open, or probing
    |   +-- RateLimited                  a window of a rate limit is full, or the key is paused
    |   +-- BudgetExhausted              the day's money is spent
    |   +-- Saturated                    too many calls at once, or too many in line
    |   +-- StoreUnavailable             what limits and budgets remember can't be read or written
    |   +-- PoolExhausted                every database connection is taken
    |   +-- DatabaseUnavailable          the server is known to be down
    +-- DeadlineExceeded                 the time is over; also TimeoutError
    +-- CommitOutcomeUnknown             nobody can say whether the transaction committed
    +-- ExternalServiceError             an AI service did not answer as asked
        +-- ApiKeyError, AccessDeniedError, QuotaExceededError,
        |   InvalidRequestError, ContextTooLongError, ContentRefusedError      never retried
        +-- RateLimitError               retried after what they ask; does not trip
        +-- ServiceTimeoutError, ServiceConnectionError,
        |   ServiceUnavailableError, StreamTruncatedError                      retried, trip
        +-- ServiceRejected              one of our own gates refused; ``__cause__`` says which

The verdict sits on the class. Other database errors stay SQLAlchemy's own.
Messages read ``<component>: <what>; <what to do or when>`` and never carry a
secret, a prompt or a parameter.
"""

from __future__ import annotations

from sys import float_info
from typing import ClassVar, Final, TypeGuard

__all__ = [
    "AccessDeniedError",
    "ApiKeyError",
    "BudgetExhausted",
    "CircuitOpen",
    "CommitOutcomeUnknown",
    "ContentRefusedError",
    "ContextTooLongError",
    "DatabaseUnavailable",
    "DeadlineExceeded",
    "ExternalServiceError",
    "InvalidRequestError",
    "KooError",
    "PoolExhausted",
    "QuotaExceededError",
    "RateLimitError",
    "RateLimited",
    "Rejected",
    "Saturated",
    "ServiceConnectionError",
    "ServiceRejected",
    "ServiceTimeoutError",
    "ServiceUnavailableError",
    "StoreUnavailable",
    "StreamTruncatedError",
]

#: "In 0.0 s" tells nobody when.
_LEAST_TOLD: Final = 0.1


class KooError(Exception):
    """The root of every error that koo raises."""


class Rejected(KooError):
    """Refused before the work began; nothing was sent.

    *gate* names who refused; *retry_after* is the time in seconds after which
    it may be worth asking again (None: not by waiting); *cause* says why.
    """

    # Without a dict of its own, because an open breaker makes one for each call.
    __slots__ = ("cause", "gate", "line", "retry_after", "soonest")

    what: ClassVar[str] = "refused"

    #: Where a caller with patience may wait; set by gates that have a line.
    line: object | None
    #: The seconds after which it may be served there at best, if that is less than *retry_after*.
    soonest: float | None

    def __init__(
        self, gate: str, retry_after: float | None = None, cause: str | None = None
    ) -> None:
        # BaseException.__new__ has kept the arguments already; a refusal must be cheap.
        self.gate = gate
        self.retry_after = retry_after
        self.cause = cause
        self.line = self.soonest = None

    def __str__(self) -> str:
        """Say what was refused, why, and when to come back."""
        what = f"{self.what} ({self.cause})" if self.cause else self.what
        return f"{self.gate}: {what}; {self._when()}"

    def _when(self) -> str:
        match self.retry_after:
            case 0 | 0.0:
                return "try again"
            case seconds if _is_time(seconds):
                return f"try again in {max(seconds, _LEAST_TOLD):.1f} s"
        return "waiting alone does not help" if self.line is None else "try again when a call ends"


class CircuitOpen(Rejected):
    """A circuit breaker is open, or its probes are all out."""

    __slots__ = ()

    what = "circuit open"


class RateLimited(Rejected):
    """A window of a rate limit is full, or the key is paused."""

    __slots__ = ()

    what = "rate limit reached"


class BudgetExhausted(Rejected):
    """The day's money is spent, or too much of it is reserved."""

    __slots__ = ()

    what = "daily budget exhausted"


class Saturated(Rejected):
    """As many calls as allowed are in flight, or waiting in line."""

    __slots__ = ()

    what = "too many calls at once"


class StoreUnavailable(Rejected):
    """The store that remembers limits and money can't be read or written, so nothing is spent."""

    __slots__ = ()

    what = "store unavailable"


class PoolExhausted(Rejected):
    """Every connection is taken; the cause names who holds them."""

    __slots__ = ()

    what = "no connection free"


class DatabaseUnavailable(Rejected):
    """The database server is known to be down; nothing was sent to it."""

    __slots__ = ()

    what = "database unavailable"


class DeadlineExceeded(KooError, TimeoutError):
    """The time that this call had is over.

    *deadline_at* is the moment (monotonic seconds) of the deadline that was the reason, None
    if it was another limit. Who inherited the same deadline knows by it that nobody failed.
    *refused_by* names the policy that had too little time even to begin, so that nothing was
    sent; None if it had begun.
    """

    deadline_at: float | None = None
    refused_by: str | None = None


class CommitOutcomeUnknown(KooError):
    """The connection broke during COMMIT: the transaction may or may not have committed."""


class ExternalServiceError(KooError):
    """An AI service did not answer as asked.

    *kind* is the metric label; *retryable* and *trips* are the verdict of the
    class, unless the service itself forbids a retry; *retry_after* is the wait in
    seconds that it named; what is no such number, as a header that nobody has read yet, is
    noted and counts as None. *usage* is the ``koo.ai.Usage`` that it bills for the
    error, None if nobody knows; *told* the ``koo.ai.Told`` of its answer, None without one.
    When a stream has failed, *partial* is the text that had come, which no message repeats,
    and *at_least* a lower bound of the usage, None if nothing is known.
    """

    kind: ClassVar[str] = "error"
    retryable: bool = False
    trips: ClassVar[bool] = False

    partial: str = ""
    at_least: object = None
    told: object = None

    def __init__(
        self,
        service: str,
        detail: str,
        *,
        retry_after: float | None = None,
        request_id: str | None = None,
        usage: object = None,
        retryable: bool | None = None,
    ) -> None:
        super().__init__(service, detail)
        if retryable is not None:
            self.retryable = retryable
        self.service = service
        self.detail = detail
        self.retry_after = retry_after if _is_time(retry_after) else None
        if retry_after is not self.retry_after:
            what = f"retry_after must be a finite number, not {retry_after!r}"
            self.add_note(f"{type(self).__name__}: {what}; nobody waits for it")
        self.request_id = request_id
        self.usage = usage

    def __str__(self) -> str:
        """Name the service, say what happened and what to do."""
        return f"{self.service}: {self.detail}"


class ApiKeyError(ExternalServiceError):
    """The key is missing, wrong or revoked."""

    kind = "api_key"


class AccessDeniedError(ExternalServiceError):
    """The key is good, but not for this model, region or feature."""

    kind = "access_denied"


class QuotaExceededError(ExternalServiceError):
    """The account's money or its quota is used up."""

    kind = "quota_exceeded"


class InvalidRequestError(ExternalServiceError):
    """The service will never accept this request as it stands.

    *answerable_elsewhere*: it lacks only what other services have, like tools or a known price.
    """

    kind = "invalid_request"

    answerable_elsewhere: bool = False


class ContextTooLongError(ExternalServiceError):
    """Prompt and answer together do not fit into the model's context."""

    kind = "context_too_long"


class ContentRefusedError(ExternalServiceError):
    """The service refused the content of the prompt or of its own answer."""

    kind = "content_refused"


class RateLimitError(ExternalServiceError):
    """The service asks for fewer calls; it is healthy."""

    kind = "rate_limit"
    retryable = True


class ServiceTimeoutError(ExternalServiceError, TimeoutError):
    """No answer in time."""

    kind = "timeout"
    retryable = True
    trips = True


class ServiceConnectionError(ExternalServiceError, ConnectionError):
    """The service could not be reached, or the connection broke."""

    kind = "connection"
    retryable = True
    trips = True


class ServiceUnavailableError(ExternalServiceError):
    """The service is overloaded or broken."""

    kind = "unavailable"
    retryable = True
    trips = True


class StreamTruncatedError(ExternalServiceError):
    """The answer ended before the protocol's terminal event, or that says that it broke off."""

    kind = "stream_truncated"
    retryable = True
    trips = True


class ServiceRejected(ExternalServiceError):
    """One of our own gates refused the call; ``__cause__`` says which."""

    kind = "rejected"


def _is_time(value: object) -> TypeGuard[float]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= float_info.max
