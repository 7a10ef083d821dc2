"""What an error says of itself, whichever driver it comes from."""

from __future__ import annotations

from typing import Final

from sqlalchemy import exc

__all__ = ["as_database_error", "cause_of", "error_code", "is_unsent", "undoes_all"]

_SQLSTATE_LENGTH: Final = 5
#: With these MySQL undoes the whole transaction, and opens another with the next statement.
_UNDOING: Final = {1020, 1206, 1213}


def error_code(error: BaseException) -> str | int | None:
    """The number that SQLite or MySQL gave, or the SQLSTATE; None without one.

    MySQL's own SQLSTATEs say nothing: a lock wait and a read-only server are both HY000.
    """
    orig = getattr(error, "orig", None)
    number = getattr(orig, "sqlite_errorcode", _mysql_code(orig))
    if isinstance(number, int):
        return number
    for source in (orig, cause_of(error)):
        for name in ("sqlstate", "pgcode"):
            state = getattr(source, name, None)
            if isinstance(state, str) and len(state) == _SQLSTATE_LENGTH:
                return state
    return None


def as_database_error(error: Exception) -> exc.OperationalError:
    """*error*, which a driver let through as it is, as SQLAlchemy's own.

    asyncpg raises a refused connection as ``ConnectionRefusedError``. Inside a
    session that could as well be the caller's own; wrapped it can't be mistaken.
    """
    return exc.OperationalError(None, None, error)


def is_unsent(error: BaseException) -> bool:
    """Whether it was refused on our side, so that the server has not heard of it."""
    return _is_marked(error, "is_unsent")


def undoes_all(error: BaseException) -> bool:
    """Whether MySQL or SQLite has undone the whole transaction, and goes on in another."""
    return error_code(error) in _UNDOING or _is_marked(error, "undoes_all")


def _is_marked(error: BaseException, mark: str) -> bool:
    said = getattr(error, "orig", None), cause_of(error)
    return any(getattr(one, mark, False) for one in said)


def cause_of(error: BaseException) -> BaseException | None:
    """What the driver raised, where SQLAlchemy has put an error of its own in between."""
    found: BaseException | None = getattr(getattr(error, "orig", None), "__cause__", None)
    return found


def _mysql_code(orig: object) -> int | None:
    first = orig.args[:1] if isinstance(orig, Exception) and not isinstance(orig, OSError) else ()
    return first[0] if first and isinstance(first[0], int) else None
