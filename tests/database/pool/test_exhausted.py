import pickle

from sqlalchemy import exc

from koo import errors
from koo.database import PoolExhausted
from koo.resilience import Holder


def test_an_exhausted_pool_names_the_five_oldest_holders():
    holders = tuple(Holder(f"task {n}", f"shop/orders.py:{n}", 9.0 - n) for n in range(7))
    error = PoolExhausted("database", 30.0, holders)
    assert str(error) == (
        "database: no connection free (7 in use: task 0 at shop/orders.py:0 for 9.0 s,"
        " task 1 at shop/orders.py:1 for 8.0 s, task 2 at shop/orders.py:2 for 7.0 s,"
        " task 3 at shop/orders.py:3 for 6.0 s, task 4 at shop/orders.py:4 for 5.0 s and 2 more);"
        " none came back in 30 s: hold them shorter, or raise the pool's size"
    )


def test_an_exhausted_pool_is_a_refusal_to_koo_and_a_timeout_to_sqlalchemy():
    error = PoolExhausted("database", 1, ())
    assert isinstance(error, errors.PoolExhausted)
    assert isinstance(error, errors.Rejected)
    assert isinstance(error, exc.TimeoutError)


def test_an_exhausted_pool_survives_pickling():
    error = PoolExhausted("database", 1.0, (Holder("t", "f.py:1", 2.0),))
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.holders) == (str(error), error.holders)
