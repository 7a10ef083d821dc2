"""A connection whose server may be going is asked before it is lent again."""

from types import SimpleNamespace

import pytest
from sqlalchemy import exc

from koo.database.pool import HOLDING, doubt_after
from koo.database.pool.slots import Slot


class Driver:
    pass


def context(error, *, closed=False, invalidated=False, connected=True):
    record = SimpleNamespace(dbapi_connection=Driver(), driver_connection=Driver(), record_info={})
    slot = Slot(record, 0.0)
    connection = SimpleNamespace(closed=closed, invalidated=invalidated, connection=record)
    told = SimpleNamespace(sqlalchemy_exception=error, connection=connection if connected else None)
    assert record.record_info[HOLDING] is slot
    return told, slot


def failed(state):
    return exc.DBAPIError("SELECT", {}, type("Orig", (Exception,), {"sqlstate": state})("gone"))


@pytest.mark.parametrize(("state", "doubtful"), [("57P01", True), ("23505", False)])
def test_an_error_that_trips_casts_doubt_on_its_connection(state, doubtful):
    told, slot = context(failed(state))
    doubt_after(told)
    assert slot.is_doubtful is doubtful
    slot.lend(None, 10.0)
    slot.heard = 10.05
    slot.come_back(10.1)
    assert slot.is_hot(10.1) is not doubtful
    assert not slot.is_doubtful


@pytest.mark.parametrize("gone", [{"closed": True}, {"invalidated": True}, {"connected": False}])
def test_a_connection_that_is_gone_already_needs_no_doubt(gone):
    told, slot = context(failed("57P01"), **gone)
    doubt_after(told)
    assert not slot.is_doubtful


def test_what_is_not_the_drivers_error_casts_no_doubt():
    told, slot = context(None)
    doubt_after(told)
    assert not slot.is_doubtful
