"""What can be wrong with the file, each in one sentence that says what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, assert_never

__all__ = ["DAMAGED", "StoreError", "explain"]

DAMAGED: Final = "{file} is damaged, bring back a copy or move it away"

_PRIMARY: Final = 0xFF
_SENTENCES: Final[Mapping[int, str]] = MappingProxyType(
    {
        sqlite3.SQLITE_BUSY: "{file} is locked by another program",
        sqlite3.SQLITE_LOCKED: "{file} is locked by another program",
        sqlite3.SQLITE_FULL: "the disk of {file} is full, make room",
        sqlite3.SQLITE_READONLY: "{file} can't be written, give the right to",
        sqlite3.SQLITE_PERM: "{file} can't be written, give the right to",
        sqlite3.SQLITE_CANTOPEN: "{file} can't be opened, look at its folder and its rights",
        sqlite3.SQLITE_CORRUPT: DAMAGED,
        sqlite3.SQLITE_NOTADB: "{file} is not a state file, choose another name",
    }
)


class StoreError(Exception):
    """The file can't be used now; *cause* is a sentence for people, without a full stop."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


def explain(error: sqlite3.Error | OSError | StoreError, file: str) -> StoreError:
    """*error* in words."""
    match error:
        case StoreError():
            return error
        case sqlite3.Error():
            code = getattr(error, "sqlite_errorcode", 0)
            name = getattr(error, "sqlite_errorname", type(error).__name__)
            sentence = _SENTENCES.get(code & _PRIMARY, f"{{file}} can't be used ({name})")
            return StoreError(sentence.format(file=file))
        case OSError():
            return StoreError(f"{file} can't be used ({error.strerror})")
        case _:
            assert_never(error)
