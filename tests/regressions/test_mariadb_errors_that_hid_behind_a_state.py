"""MySQL names a state with each error, and the state says next to nothing."""

import asyncmy.errors
import pytest
from sqlalchemy import exc

from koo.database import Kind, judge
from koo.database.verdicts import error_code


def raised(code, state):
    """What SQLAlchemy makes of an error as asyncmy reads it from the wire."""
    orig = asyncmy.errors.OperationalError(code, "said the server")
    orig.sqlstate = state
    return exc.OperationalError("SELECT 1", {}, orig)


@pytest.mark.parametrize(
    ("code", "state", "kind", "retryable"),
    [
        (1205, "HY000", Kind.CONFLICT, True),
        (1290, "HY000", Kind.READ_ONLY, True),
        (1040, "08004", Kind.OVERLOADED, True),
        (1049, "42000", Kind.CONFIGURATION, False),
        (1317, "70100", Kind.TIMEOUT, False),
    ],
)
def test_the_number_decides(code, state, kind, retryable):
    error = raised(code, state)
    assert error_code(error) == code
    assert (judge(error).kind, judge(error).failure.retryable) == (kind, retryable)
