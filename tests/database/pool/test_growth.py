import pytest

from koo.database.pool.growth import Growth


def growth(*, kept=10, connect=0.15, hold=0.0):
    made = Growth(kept)
    made.connected(connect)
    made.held(hold * 10)
    return made


def look(made, now, **need):
    usual = {"unserved": 1, "waiting": 1, "waited": 0.05, "dialing": 0, "lent": 5}
    usual |= {"age": 0.0, "room": 45}
    return made.dials(now, **usual | need)


def dials(made, **need):
    """What is dialed by the second of two looks that see the same."""
    look(made, 100.0, **need)
    return look(made, 100.0 + made.youth, **need)


def test_nobody_waits_or_there_is_no_room_nothing_is_dialed():
    assert dials(growth(), unserved=0) == 0
    assert dials(growth(), room=0) == 0


def test_with_nothing_lent_everybody_gets_one_up_to_what_is_kept():
    assert dials(growth(), lent=0, unserved=4) == 4
    assert dials(growth(), lent=0, unserved=50) == 10
    assert dials(growth(), lent=0, unserved=50, dialing=8) == 2
    assert dials(growth(), lent=0, unserved=50, dialing=10) == 0
    assert dials(growth(kept=1), lent=0, unserved=3, room=2) == 1


def test_a_line_that_is_served_sooner_than_a_connection_is_there_costs_one():
    quick = growth(hold=0.002)
    assert dials(quick, unserved=45, waiting=45) == 1
    assert dials(quick, unserved=44, waiting=45, dialing=1) == 0


def test_a_line_that_would_wait_longer_gets_a_connection_for_everybody():
    assert dials(growth(hold=1.0), unserved=45, waiting=45) == 45
    assert dials(growth(hold=1.0), unserved=45, waiting=45, room=20) == 20


def test_a_young_line_is_watched_before_everybody_gets_a_connection():
    assert dials(growth(hold=1.0), unserved=45, waiting=45, waited=0.01) == 1
    assert dials(growth(hold=1.0), unserved=45, waiting=45, waited=0.02) == 45


def test_what_a_line_costs_is_believed_when_it_has_cost_so_for_a_moment():
    """A loop that stood still makes all look old, until it has heard what came meanwhile."""
    made, long = growth(hold=1.0), {"unserved": 45, "waiting": 45}
    assert [look(made, now, **long) for now in (10.0, 10.01, 10.02)] == [1, 1, 45]
    assert look(made, 11.0, unserved=1, waiting=1, waited=0.0) == 1
    assert [look(made, now, **long) for now in (12.0, 12.01, 12.02)] == [1, 1, 45]


def test_loans_that_take_longer_than_before_count_by_their_age():
    assert dials(growth(hold=0.002), unserved=45, waiting=45, age=0.1) == 45


def test_what_connecting_costs_is_a_moving_mean_that_begins_with_the_first():
    made = Growth(10)
    made.connected(1.0)
    assert made.connect_time == pytest.approx(1.0)
    made.connected(2.0)
    assert made.connect_time == pytest.approx(1.3)


def test_after_a_failed_dial_there_is_one_at_a_time():
    made = growth(hold=1.0)
    made.failed(now=100.0)
    assert dials(made, unserved=45, waiting=45) == 1
    assert dials(made, unserved=45, waiting=45, dialing=1) == 0
    assert dials(made, unserved=45, lent=0) == 1


def test_in_doubt_there_is_one_at_a_time_until_one_succeeds():
    made = Growth(10)
    assert dials(made, lent=0, unserved=5) == 1
    assert dials(made, lent=0, unserved=5, dialing=1) == 0
    made.connected(0.01)
    assert dials(made, lent=0, unserved=5) == 5
    made.is_in_doubt = True
    assert dials(made, lent=0, unserved=5) == 1


def test_the_back_off_doubles_to_its_longest():
    made, now, pauses = growth(), 100.0, []
    for _ in range(6):
        made.failed(now)
        pauses.append(round(made.blocked_for(now), 3))
        now = made.resumes
    assert pauses == [0.05, 0.1, 0.2, 0.4, 0.4, 0.4]
    assert made.blocked_for(now) == 0


def test_dials_that_fail_together_count_once():
    made = growth()
    for _ in range(10):
        made.failed(now=100.0)
    assert made.blocked_for(100.0) == pytest.approx(0.05)


def test_a_server_that_is_back_is_dialed_at_once():
    made = growth()
    made.failed(now=100.0)
    made.forgive()
    assert (made.failures, made.blocked_for(100.0)) == (0, 0.0)
    made.failed(now=100.0)
    made.connected(0.1)
    assert made.blocked_for(100.0) == 0
