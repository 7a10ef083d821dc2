"""A deadline that came while CommitOutcomeUnknown was on its way took its place."""

from types import SimpleNamespace

import pytest
from sqlalchemy import exc

from koo.database.listening.understanding import understand
from koo.database.pool import HOLDING
from koo.database.scope import Scope
from koo.errors import CommitOutcomeUnknown

LOST = exc.OperationalError(None, None, OSError("reset"))
REFUSED = exc.IntegrityError(None, None, Exception("duplicate"))


def told(scope, error):
    lent = SimpleNamespace(
        driver_connection=None,
        record_info={HOLDING: SimpleNamespace(scope=scope, is_taken_back=False)},
    )
    connection = SimpleNamespace(connection=lent, closed=False, invalidated=False)
    return understand(
        SimpleNamespace(
            connection=connection,
            execution_context=None,
            sqlalchemy_exception=error,
            original_exception=error,
            is_disconnect=False,
            invalidate_pool_on_disconnect=True,
        )
    )


@pytest.mark.parametrize(
    ("error", "in_doubt"), [(LOST, True), (REFUSED, False)], ids=["lost", "refused"]
)
def test_the_doubt_stays_with_the_transaction(error, in_doubt):
    scope = Scope("here", committing=True)
    answer = told(scope, error)
    assert isinstance(answer, CommitOutcomeUnknown) is in_doubt
    assert scope.in_doubt is in_doubt
