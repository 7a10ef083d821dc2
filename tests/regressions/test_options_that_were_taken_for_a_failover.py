"""MySQL's 1290 names an option; whatever it was, all connections went and all was repeated."""

from types import SimpleNamespace

import asyncmy.errors
import pytest
from sqlalchemy import exc

from koo.database import Kind, judge
from koo.database.listening.understanding import understand

SAID = "The MariaDB server is running with the {} option so it cannot execute this statement"


def raised(option):
    orig = asyncmy.errors.OperationalError(1290, SAID.format(option))
    return exc.OperationalError("SELECT 1", {}, orig)


def understood(error):
    """Whether the server is taken for another one."""
    context = SimpleNamespace(
        connection=None,
        original_exception=error.orig,
        execution_context=None,
        sqlalchemy_exception=error,
        is_disconnect=False,
        invalidate_pool_on_disconnect=True,
    )
    assert understand(context) is None
    return context.is_disconnect, context.invalidate_pool_on_disconnect


@pytest.mark.parametrize("option", ["--secure-file-priv", "--skip-grant-tables", "--log-bin=x"])
def test_an_option_that_forbids_a_statement_is_no_failover(option):
    error = raised(option)
    assert (judge(error).kind, judge(error).failure.retryable) == (Kind.QUERY, False)
    assert understood(error) == (False, False)


@pytest.mark.parametrize(
    "option", ["--read-only", "--super-read-only", "--innodb_read_only", "--read-only=LOCAL"]
)
def test_a_read_only_option_is_one(option):
    error = raised(option)
    assert (judge(error).kind, judge(error).failure.retryable) == (Kind.READ_ONLY, True)
    assert understood(error) == (True, True)
