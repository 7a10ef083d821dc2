"""The verdict as a policy wants it, and errors that are marked on their way to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ...resilience import Failure, RetryClass
from .judging import judge, may_be_from

__all__ = ["classify", "classify_for", "mark_absent", "seal"]

_SEALED: Final = "__koo_sealed__"
_ABSENT: Final = "__koo_absent__"


def classify(error: Exception) -> Failure:
    """The verdict as a policy wants it: whether it may be retried, and whether it trips."""
    failure = judge(error).failure
    if getattr(error, _SEALED, False):
        return replace(failure, retryable=False)
    if getattr(error, _ABSENT, False):
        return replace(failure, retryable=True, retry_class=RetryClass.RESOLVED)
    return failure


def classify_for(source: object, error: Exception) -> Failure:
    """The same for *source*: what another has raised may be retried as well, and trips nothing."""
    failure = classify(error)
    return failure if may_be_from(source, error) else replace(failure, trips=False)


def seal(error: Exception) -> None:
    """Mark *error* as never to be retried: a part of the work has perhaps been committed."""
    if getattr(error, _SEALED, False):
        return
    setattr(error, _SEALED, True)
    error.add_note("database: it was not repeated: some of it was committed, or may have been")


def mark_absent(error: Exception) -> Exception:
    """*error*, marked: it ended a COMMIT of which nothing is left, so that all may be repeated."""
    setattr(error, _ABSENT, True)
    error.add_note("database: it was found out that nothing was committed")
    return error
