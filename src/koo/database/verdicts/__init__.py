"""What a database error means: whether it may be tried again, whether the server is unwell.

    error --SQLSTATE, SQLite or MySQL code---------------> row of a table --> Verdict(kind, Failure)
      +-----none: the connection's state, words, last the class--^

Never by class alone: on asyncpg a serialization failure, a deadlock and a cancelled
statement are all plain ``DBAPIError``; on SQLite a syntax error is "operational".

kinds       what a verdict is; tables: a row for each code
codes       what an error says of itself; judging: from there to the verdict
classifying the verdict as a policy wants it, and errors that are marked
"""

from .classifying import classify, classify_for, mark_absent, seal
from .codes import as_database_error, error_code, undoes_all
from .judging import (
    failure_in,
    is_login_refused,
    is_trouble,
    judge,
    judge_for,
    mark_source,
    mark_taken_back,
    proves_rollback,
)
from .kinds import Kind, RestTimedOut, StatementTimedOut, Verdict

__all__ = [
    "Kind",
    "RestTimedOut",
    "StatementTimedOut",
    "Verdict",
    "as_database_error",
    "classify",
    "classify_for",
    "error_code",
    "failure_in",
    "is_login_refused",
    "is_trouble",
    "judge",
    "judge_for",
    "mark_absent",
    "mark_source",
    "mark_taken_back",
    "proves_rollback",
    "seal",
    "undoes_all",
]
