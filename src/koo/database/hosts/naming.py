"""How a transaction's backend is found again behind a pooler: by the name that it has meanwhile.

    BEGIN; SET LOCAL application_name = 'the caller''s own (koo ...)' ----> one message
                       |
           COMMIT is lost, and its backend still has the transaction open
                       |
           whoever has that name is ended (commit/tokens)

What a pooler greets with names no backend, and after each transaction there may be another. The
name is drawn for each connection, and is taken back with the transaction, as everything must be
that is said through a pooler. Nothing is read or locked for it, so that the transaction sees no
snapshot yet: what it asks first may still be its isolation level, or a lock to wait for.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from secrets import token_hex
from typing import Final

from sqlalchemy import event
from sqlalchemy.engine import Engine

from ..theirs import Theirs

__all__ = ["name_transactions_behind_poolers"]

_SAY: Final = "; SET LOCAL application_name = '{}'"
#: What the server would spell otherwise, or take for the end of the name.
_UNSAFE: Final = re.compile(r"[^ -~]|['\\]")
_LONGEST: Final = 63


def name_transactions_behind_poolers(engine: Engine) -> None:
    """Let each transaction of *engine* have a name by which its backend is known.

    On PostgreSQL only, and only through a pooler.
    """
    event.listen(engine, "connect", _name)


def _name(connection: Theirs, _record: object) -> None:
    theirs = connection.driver_connection
    if not theirs.is_pinned:
        theirs.alias = _alias(theirs.application_name)
        theirs.opening = _with(_SAY.format(theirs.alias), theirs.opening)


def _alias(name: str) -> str:
    # Not of the random numbers that tests may choose: two that are alike would end one another.
    ours = f"(koo {token_hex(8)})"
    return f"{_UNSAFE.sub('?', name)[: _LONGEST - len(ours) - 1]} {ours}".lstrip()


def _with(said: str, opening: Callable[[], str]) -> Callable[[], str]:
    return lambda: said + opening()
