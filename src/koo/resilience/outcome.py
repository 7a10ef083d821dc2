"""What a call asks for, and how one attempt ended, in the only terms that gates understand.

Ask -> Permit -> Outcome = Success | Failure | Abandoned

what happened                       as an outcome                                   a breaker sees
answered                            Success                                         a success
refused as wrong (a client error)   Failure(retryable=False, trips=False)           a success
conflicted with another             Failure(retryable, trips=False, CONFLICT)       a success
throttled                           Failure(retryable, trips=False, THROTTLED)      nothing
failed, timed out on our side       Failure(retryable, trips=True)                  a failure
the caller went away                Abandoned                                       nothing
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Literal, TypeAlias

from ..values import quickly_made
from .checking import check_finite, check_part, check_truth, check_whole
from .deadline import Deadline

__all__ = [
    "ABANDONED",
    "ONE_REQUEST",
    "SUCCESS",
    "WEIGHTS",
    "Abandoned",
    "Advice",
    "Appraiser",
    "Ask",
    "Classifier",
    "Failure",
    "Outcome",
    "RetryClass",
    "Spent",
    "Success",
    "Weight",
    "is_evidence",
    "last_cause",
]


Weight: TypeAlias = Literal["requests", "tokens", "nanousd"]
#: What can be limited, in the order of every tuple of weights.
WEIGHTS: Final[tuple[Weight, ...]] = ("requests", "tokens", "nanousd")


@quickly_made
@dataclass(frozen=True, slots=True)
class Ask:
    """What a call wants before it begins.

    *requests*, *tokens* and *nanousd* are reserved until the call is settled.
    A lower *priority* goes first in line. *deadline* bounds the whole call, and a probe's lease
    with it; it counts as the caller's, so what it cuts is abandoned and blames nobody.
    """

    requests: int = 1
    tokens: int = 0
    nanousd: int = 0
    priority: int = 0
    deadline: Deadline | None = None
    #: In the order of :data:`WEIGHTS`; made once, because every limit reads it.
    weights: tuple[int, int, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse weights that would give instead of take."""
        weights = requests, tokens, nanousd = self.requests, self.tokens, self.nanousd
        # Nearly all are plain ints, and every call is weighed.
        if not type(requests) is type(tokens) is type(nanousd) is type(self.priority) is int:
            check_whole(self, *WEIGHTS, "priority")
        if self.deadline is not None:
            check_part("Ask", "deadline", self.deadline, Deadline)
        if requests < 0 or tokens < 0 or nanousd < 0:
            message = "Ask: weights can't be negative; ask for 0 or more"
            raise ValueError(message)
        object.__setattr__(self, "weights", weights)


@quickly_made
@dataclass(frozen=True, slots=True)
class Spent:
    """What an attempt really used, in the units of :class:`Ask`."""

    requests: int = 1
    tokens: int = 0
    nanousd: int = 0

    def __post_init__(self) -> None:
        """Refuse what nobody can have used."""
        requests, tokens, nanousd = self.requests, self.tokens, self.nanousd
        if not type(requests) is type(tokens) is type(nanousd) is int:
            check_whole(self, *WEIGHTS)
        if requests < 0 or tokens < 0 or nanousd < 0:
            message = "Spent: weights can't be negative; what was not used is 0"
            raise ValueError(message)

    @property
    def weights(self) -> tuple[int, int, int]:
        """In the order of :data:`WEIGHTS`."""
        return self.requests, self.tokens, self.nanousd


@quickly_made
@dataclass(frozen=True, slots=True)
class Advice:
    """What the answer's headers say of the other side's limits; seconds, None if silent."""

    remaining_requests: int | None = None
    remaining_tokens: int | None = None
    reset_after: float | None = None

    def __post_init__(self) -> None:
        """Refuse what is no number: a header is a string until somebody reads it."""
        if self.remaining_requests is self.remaining_tokens is self.reset_after is None:
            return
        check_whole(self, optional=("remaining_requests", "remaining_tokens"))
        check_finite(self, optional=("reset_after",))

    @property
    def is_exhausted(self) -> bool:
        """Whether nothing passes there before the reset."""
        requests, tokens = self.remaining_requests, self.remaining_tokens
        return (requests is not None and requests <= 0) or (tokens is not None and tokens <= 0)


class RetryClass(Enum):
    """What kind of wait a retry deserves.

    The values are (scale of the base delay, scale of the longest delay, price
    in the retry budget). What says nothing about load costs nothing.
    """

    CONFLICT = (0.05, 0.05, 0.0)
    TRANSIENT = (1.0, 1.0, 1.0)
    THROTTLED = (5.0, 2.0, 0.35)
    RESOLVED = (1.0, 1.0, 0.0)

    @property
    def base_scale(self) -> float:
        """The factor for the backoff's base delay."""
        return self.value[0]

    @property
    def cap_scale(self) -> float:
        """The factor for the backoff's longest delay."""
        return self.value[1]

    @property
    def cost(self) -> float:
        """What one retry withdraws from the retry budget."""
        return self.value[2]


def _check_account(outcome: Outcome) -> None:
    """Raise ValueError unless what *outcome* says of cost and limits can be read."""
    spent: object = outcome.spent
    if spent is not None and not isinstance(spent, Spent):
        check_part(type(outcome).__name__, "spent", spent, Spent)
    advice: object = outcome.advice
    if advice is not None and not isinstance(advice, Advice):
        check_part(type(outcome).__name__, "advice", advice, Advice)


@quickly_made
@dataclass(frozen=True, slots=True)
class Success:
    """The attempt returned.

    *spent* None means unknown: the whole reservation is debited.
    """

    spent: Spent | None = None
    advice: Advice | None = None

    def __post_init__(self) -> None:
        """Refuse an account that no gate could read."""
        _check_account(self)


@quickly_made
@dataclass(frozen=True, slots=True)
class Failure:
    """The attempt raised.

    *retryable*: another attempt could succeed. *trips*: it says something about
    the dependency's health. *retry_after*: the wait in seconds that the
    dependency itself asked for. *cause*: a word for people, without secrets.
    """

    retryable: bool
    trips: bool
    retry_after: float | None = None
    retry_class: RetryClass = RetryClass.TRANSIENT
    spent: Spent | None = None
    advice: Advice | None = None
    cause: str = ""

    def __post_init__(self) -> None:
        """Refuse a verdict that no gate could read."""
        check_truth(self, "retryable", "trips")
        check_finite(self, optional=("retry_after",))
        check_part(
            "Failure", "retry_class", self.retry_class, RetryClass, example="RetryClass.TRANSIENT"
        )
        check_part("Failure", "cause", self.cause, str, example='"timeout"')
        _check_account(self)


@quickly_made
@dataclass(frozen=True, slots=True)
class Abandoned:
    """The attempt began and was given up; nobody knows how it would have ended."""

    spent: Spent | None = None
    advice: Advice | None = None

    def __post_init__(self) -> None:
        """Refuse an account that no gate could read."""
        _check_account(self)


Outcome: TypeAlias = Success | Failure | Abandoned
Classifier: TypeAlias = Callable[[Exception], Failure]
Appraiser: TypeAlias = Callable[[object], Success]


def is_evidence(outcome: Outcome) -> bool:
    """Whether *outcome* says anything, good or bad, about the dependency's health."""
    match outcome:
        case Abandoned():
            return False
        case Failure(trips=False, retry_class=RetryClass.THROTTLED):
            return False
    return True


def last_cause(outcome: Outcome) -> str:
    """The end of a sentence that says why the last of several attempts failed; may be empty."""
    cause = outcome.cause if isinstance(outcome, Failure) else ""
    return f"; last: {cause}" if cause else ""


ONE_REQUEST = Ask()
SUCCESS = Success()
ABANDONED = Abandoned()
